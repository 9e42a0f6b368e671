"""`TrainJob`, the handle of a job: what `submit`, ``%%trainjob`` and `get` return.

It holds no state of its own that could be lost: everything comes from the API, the ranks' logs and the history, so
handles of one job in several kernels return the same.
"""

from __future__ import annotations

import base64
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, KubeObject
from jupyter_trainjob.bundle import bundle_copy
from jupyter_trainjob.bundle.delivery import KEY_ENTRY, bundle_secret
from jupyter_trainjob.client import interrupt, user_warnings
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.live_job import LiveJob
from jupyter_trainjob.client.reproduce import fork
from jupyter_trainjob.client.results import job_folder, outcome, result_reader
from jupyter_trainjob.client.results.output_files import Files
from jupyter_trainjob.client.snapshot import Failure, Snapshot, State, Status
from jupyter_trainjob.client.watching import log_query


class TrainJob:
    """One training job.

    Obtain it from `submit`, ``%%trainjob NAME``, `get` or `list_jobs`; the constructor is not public. Every method that
    asks the cluster raises `errors.ApiError` if the API server refuses, and `errors.ClusterError` if it cannot be
    reached. Times are unix seconds, durations are seconds.
    """

    def __init__(self, connection: Connection, trainjob: KubeObject) -> None:
        self._live = LiveJob(connection, trainjob)
        self._outcome: outcome.Outcome | None = None

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""
        return self._live.name

    @property
    def namespace(self) -> str:
        """Return the namespace of the TrainJob object."""
        return self._live.namespace

    @property
    def uid(self) -> str:
        """Return the uid of the TrainJob object."""
        return self._live.uid

    @property
    def context(self) -> str:
        """Return the name of the context: ``trainjob-local`` for the embedded cluster."""
        return self._live.context

    def __repr__(self) -> str:
        return f"<TrainJob {self.name} in {self.namespace} on {self.context}>"

    def __copy__(self) -> TrainJob:
        """Return the handle itself, since it has no state of its own."""
        return self

    def __deepcopy__(self, _memo: object) -> TrainJob:
        """Return the handle itself, so that objects with a handle can be copied."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "the handle of a job cannot be sent to another job; assign what you need to variables first, "
            "such as weights = digits.out['weights']"
        )

    def status(self) -> Status:
        """Return the state of the job now, as a text with a ``reason``.

        The text is ``"Queued"``, ``"Starting"``, ``"Running"``, ``"Stopped"``, ``"Suspended"``, ``"Complete"``,
        ``"Failed"`` or ``"Deleted"``; ``reason`` explains it and is empty where there is nothing to explain::

            if job.status() == "Queued":
                print(job.status().reason)
        """
        return self._live.status()

    def snapshot(self) -> Snapshot:
        """Return everything known of the job now, as plain values that all views show."""
        return self._live.snapshot()

    def _ipython_display_(self) -> None:
        """Display the job's card, for a handle that is the last value of a cell."""
        _views("show").show(self._live)

    def wait(self, timeout: float | None = None, *, show: bool = True) -> State:
        """Block until the job is over, and return its last state, also for a job that failed.

        `timeout` is in seconds; None waits without a limit. With `show`, a notebook's cell shows a line of progress
        meanwhile, and a script's terminal what the job prints.

        Raises `errors.JobTimeout` if `timeout` ran out (the job continues), `errors.JobStopped` if the job is stopped
        meanwhile, and `KeyboardInterrupt` after Ctrl-C: the job continues, and a second Ctrl-C within two seconds stops
        it.
        """
        __tracebackhide__ = True
        if timeout is not None and not isinstance(timeout, (int, float)):
            raise errors.UsageError(f"timeout takes seconds as a number, such as 60, not {timeout!r}.")
        follower = self._live.readable_follower()

        def has_ended() -> bool:
            return follower.settled() or follower.state() is State.STOPPED

        try:
            with _views("wait_progress").show_progress(self._live) if show and not has_ended() else nullcontext():
                in_time = follower.wait(has_ended, timeout)
        except KeyboardInterrupt:
            raise interrupt.detach(self._live) from None
        if timeout is not None and not in_time:
            raise errors.JobTimeout(_timeout_message(self.name, follower.state(), timeout))
        follower.notify_finished()
        snapshot = follower.snapshot()
        if snapshot.state is State.STOPPED:
            raise errors.JobStopped(
                f"{self.name} was stopped. Its metrics and logs are kept; resume() starts it again."
            )
        return snapshot.state

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the job and return the value of the cell's last expression, or of the function, on rank 0.

        `timeout` is in seconds. Raises what the cell raised on the rank that failed first, with its own type and a
        traceback of the notebook's lines; `errors.JobFailed` if the job failed in another way; `errors.JobStopped` if
        it was stopped or deleted; `errors.NoResult` if the value could not be sent, which leaves the names of ``--out``
        readable; `errors.JobTimeout` if `timeout` ran out.
        """
        __tracebackhide__ = True
        return self._finished(timeout).value

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Wait for the job and return the exception that `result` raises; None if the job is complete.

        `timeout` is in seconds. Raises `errors.JobTimeout` if it ran out, `errors.JobStopped` if the job is stopped
        meanwhile.
        """
        self.wait(timeout)
        follower = self._live.follower()
        if follower.state() is not State.FAILED:
            return None
        return outcome.build_exception(follower.snapshot(), follower.record, self._bundle)

    @property
    def failure(self) -> Failure | None:
        """Why the job failed, without waiting: ``headline``, ``rank``, ``where``, ``remedy``, ``traceback``.

        None if it has not failed.
        """
        return self._live.follower().snapshot().failure

    def results(self, timeout: float | None = None) -> Sequence[Any]:
        """Wait for the job and return the values of the cell's last expression on all ranks, a sequence by rank.

        Raises as `result` if the job has failed. If single ranks have no value, for example because it cannot be
        pickled, the others can be read, and reading that one raises `errors.NoResult`.
        """
        __tracebackhide__ = True
        first, follower = self._finished(timeout), self._live.follower()
        opener = result_reader.result_opener(self._live.connection, self._live.trainjob)
        return outcome.read_all_values(
            follower.snapshot(), follower.record, bundle=self._bundle, opener=opener, first=first
        )

    @property
    def out(self) -> Mapping[str, Any]:
        """Wait for the job and return the names of ``--out`` with their values on rank 0.

        Raises as `result` if the job has failed. A name that the cell did not assign, or whose value cannot be sent,
        is left out: reading it raises `errors.MissingOut`, which is a `KeyError`, with the reason.
        """
        __tracebackhide__ = True
        values: Mapping[str, Any] = self._finished(None).out
        return values

    def logs(
        self,
        rank: int | None = None,
        *,
        follow: bool = False,
        all_lines: bool = False,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
    ) -> str | Iterator[str]:
        """Return what the nodes printed, as one text: of node `rank`, or of all in the order of time.

        Lines of several nodes begin with the number of the node. `pattern` selects the lines that contain it, upper and
        lower case alike (a regular expression with `regex`); `errors_only` selects lines about errors. With `follow`,
        return an iterator of lines that ends with the job::

            for line in job.logs(follow=True):
                print(line)

        The newest 5,000 lines of each node are kept. If there were more, it warns (`errors.LinesLeftOut`); `all_lines`
        reads the whole logs of the pods, while these exist. Raises `errors.UsageError` for a node that the job does not
        have.
        """
        log = self._live.read_log(log_query.LogQuery(rank, follow, all_lines, pattern, regex, errors_only))
        if log.note is not None:
            user_warnings.warn(log.note, stacklevel=2)
        return log.lines if follow else "\n".join(log.lines)

    def metrics(self) -> dict[str, list[float]]:
        """Return everything that was reported, as columns of one length: ``rank``, ``time``, ``step``, each metric.

        There is a row for each call of `report` on each rank. ``time`` is in unix seconds; a metric that a call did not
        report is nan::

            pandas.DataFrame(job.metrics()).groupby("step")["loss"].mean()
        """
        return self._live.metrics()

    def stop(self) -> None:
        """Suspend the job: its programs get SIGTERM. Its state is then Stopped; metrics and logs are kept.

        Warns (`errors.NoCheckpoint`) if a running job has written no checkpoint. Stopping a job that is over does
        nothing. Raises `errors.UsageError` if Kueue manages the job and you may not patch its Workload.
        """
        warning = self._live.stop()
        if warning is not None:
            user_warnings.warn(warning, stacklevel=2)

    def resume(self) -> None:
        """Start a stopped or suspended job again, from the first line of its cell; metrics and logs are kept.

        Does nothing for a running job. Raises `errors.UsageError` for a finished job.
        """
        self._live.resume()

    def events(self) -> list[dict[str, Any]]:
        """Return the cluster's events about the job, its JobSet, Jobs and pods, oldest first.

        Each has ``time`` (unix seconds, of its last occurrence), ``object``, ``type``, ``reason``, ``message`` and
        ``count`` (number of occurrences); ``pandas.DataFrame(job.events())`` is a table of them. Most clusters remove
        events after an hour.
        """
        return self._live.events()

    def delete(self) -> None:
        """Delete the job with its pods, logs and history, and its folder on the embedded cluster.

        Does nothing for a deleted job.
        """
        self._live.delete()

    def rerun(self) -> TrainJob:
        """Send the same job again under a new name, and return its handle at once.

        Cell, captured values, seed and runtime are those of the job, not the current ones of the notebook and cluster.
        Differences, for example another version of a library, are a warning (`errors.RunsDifferently`). Works in any
        kernel, for finished and running jobs. Raises `errors.UsageError` if the Secret of the job is gone.
        """
        job, differences = self._live.rerun()
        if differences:
            user_warnings.warn(errors.RunsDifferently(" ".join(differences)), stacklevel=2)
        return TrainJob(job.connection, job.trainjob)

    @property
    def record(self) -> dict[str, Any]:
        """Return how the job was made: cell, notebook, git, packages, runtime, options, arguments, seed, user, time.

        Empty for a job that was created in another way, and for one whose Secret is gone.
        """
        return self._live.record()

    @property
    def files(self) -> Files:
        """Return what the ranks have written into ``output_dir()`` so far: a mapping of relative paths to files.

        A file has ``size`` (bytes), ``modified`` (unix seconds), ``open()``, ``read_text()`` and ``save(path)``::

            job.files["net.pt"].save("net.pt")

        Raises `errors.UsageError` or `errors.StorageError` if the job's ``--storage`` cannot be read from here.
        """
        return Files(job_folder.find_job_folder(self._live.connection, self._live.trainjob))

    def fork(self, from_step: int | None = None, **changes: Any) -> TrainJob:
        """Send a new job with the checkpoints of this one up to `from_step`, all if None, and some `changes`.

        Changes are options of `submit`, and captured values of the job, by their names::

            job.fork(from_step=400, nodes=4, lr=0.01)

        Raises `errors.UsageError` for other names, and if there is no checkpoint of that step.
        """
        connection = self._live.connection
        return TrainJob(connection, fork.fork(connection, self._live.trainjob, from_step=from_step, changes=changes))

    def to_yaml(self) -> str:
        """Return the TrainJob as YAML for ``kubectl create -f``: without the fields that the server sets."""
        return self._live.to_yaml()

    def to_magic(self) -> str:
        """Return the ``%%trainjob`` cell, with its options, that sends the job again.

        Raises `errors.UsageError` for a job that was not sent from a cell.
        """
        return self._live.to_magic()

    def to_sdk(self) -> str:
        """Return Python code that sends the job with the Kubeflow SDK; comments name what the code lacks."""
        return self._live.to_sdk()

    def _finished(self, timeout: float | None) -> outcome.Outcome:
        __tracebackhide__ = True
        if self._outcome is None:
            self.wait(timeout)
            follower = self._live.follower()
            if follower.state() is State.FAILED:
                raise outcome.build_exception(follower.snapshot(), follower.record, self._bundle)
            opener = result_reader.result_opener(self._live.connection, self._live.trainjob)
            self._outcome = outcome.read_outcome(
                follower.snapshot(), follower.record, bundle=self._bundle, opener=opener
            )
        return self._outcome

    def _bundle(self) -> outcome.SentBundle:
        secret = self._live.connection.client.get(SECRETS, bundle_secret(self.name), namespace=self.namespace)
        return outcome.SentBundle(base64.b64decode(secret["data"][KEY_ENTRY]), bundle_copy.manifest_of_secret(secret))


def live_job(job: TrainJob) -> LiveJob:
    """Return the `LiveJob` of a handle, for views, magics and commands."""
    return job._live  # noqa: SLF001


def _timeout_message(name: str, state: State, timeout: float) -> str:
    if state.finished:
        return f"{name} is {state}, but its log could not be read to the end within {timeout:g} s: wait() again."
    return f"{name} is still {state} after {timeout:g} s. It keeps running: wait() again, or stop() it."


def _views(module: str) -> Any:
    """Import a module of the widget layer, which depends on this one, on first use."""
    return importlib.import_module(f"jupyter_trainjob.widget.{module}")
