"""The handle of a job: what `submit`, ``%%trainjob`` and `get` return.

It holds no state of its own that could be lost: everything comes from the API, the ranks' logs and the history, so a
handle made in another kernel knows as much as the first one.
"""

from __future__ import annotations

import base64
import getpass
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS, Object
from jupyter_trainjob.bundle import copying
from jupyter_trainjob.bundle.delivery import KEY_ENTRY, bundle_secret
from jupyter_trainjob.client import (
    details,
    events,
    exports,
    folder,
    fork,
    interrupt,
    logbook,
    outcome,
    record,
    rerun,
    returned,
)
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.details import Section
from jupyter_trainjob.client.earlier import Earlier, earlier
from jupyter_trainjob.client.files import Files
from jupyter_trainjob.client.follow import Follower, follow, known
from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import Failure, LogLine, Snapshot, State
from jupyter_trainjob.constants import MANAGED_BY, STOPPED_BY_ANNOTATION, VARIABLE_ANNOTATION

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

STOP_GRACE = 5.0
"""Seconds that `TrainJob.stop` and `TrainJob.delete` wait to see that it happened."""
SETTLE = 30.0
"""Seconds in which the logs of a finished job are read to their end."""


class TrainJob:
    """One training job. Obtain it from `submit`, ``%%trainjob NAME`` or `get`; the constructor is not public."""

    def __init__(self, connection: Connection, trainjob: Object) -> None:
        self._connection = connection
        self._trainjob = trainjob
        self._follower: Follower | None = None
        self._outcome: outcome.Outcome | None = None

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""
        return str(self._trainjob["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Return the namespace of the TrainJob object."""
        return str(self._trainjob["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """Return the uid of the TrainJob object."""
        return str(self._trainjob["metadata"]["uid"])

    @property
    def context(self) -> str:
        """Return the name of the cluster."""
        return self._connection.name

    @property
    def variable(self) -> str:
        """Return the notebook variable that the job's cell named; empty for a job that was written in YAML."""
        return str((self._trainjob["metadata"].get("annotations") or {}).get(VARIABLE_ANNOTATION, ""))

    def __repr__(self) -> str:
        return f"<TrainJob {self.name} in {self.namespace} on {self.context}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "the handle of a job cannot travel into another job; take what you need out of it first, "
            "such as weights = digits.out['weights']"
        )

    def status(self) -> State:
        """Return where the job is now: Queued, Starting, Running, Stopped, Suspended, Complete, Failed or Deleted."""
        return self._follow().state()

    def snapshot(self) -> Snapshot:
        """Return all that is known of the job now, as plain values."""
        return self._follow().snapshot()

    def wait(self, timeout: float | None = None) -> State:
        """Block until the job is over, and return its last state; never raises for a job that failed.

        Raises `errors.JobTimeout` after `timeout` seconds (the job goes on), and `errors.JobStopped` if somebody stops
        the job meanwhile, since it may never go on. Ctrl-C lets go of the job and says so, and a second one within two
        seconds stops it; both raise `interrupt.Detached`, a `KeyboardInterrupt`.
        """
        __tracebackhide__ = True
        follower = self._follow()

        def over() -> bool:
            return follower.settled() or follower.state() is State.STOPPED

        try:
            in_time = follower.wait(over, timeout)
        except KeyboardInterrupt:
            raise interrupt.detach(self) from None
        if not in_time:
            raise errors.JobTimeout(
                f"{self.name} is still {follower.state()} after {timeout:g} s. It goes on: wait() again, or stop() it."
            )
        follower.tell_over()
        snapshot = follower.snapshot()
        if snapshot.state is State.STOPPED:
            raise errors.JobStopped(
                f"{self.name} was stopped. Its metrics and logs are kept; resume() starts it again."
            )
        return snapshot.state

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the job and return the value of the cell's last expression (or of the function) on rank 0.

        Raises what the cell raised on the rank that failed first, with its own type and a traceback of the notebook's
        lines; `errors.JobFailed` if the job failed in another way, `errors.JobStopped` if it was stopped or deleted,
        `errors.JobTimeout` after `timeout` seconds.
        """
        __tracebackhide__ = True
        return self._finished(timeout).value

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Wait for the job and return what `result` would raise; None if it is complete.

        Raises `errors.JobTimeout` after `timeout` seconds, `errors.JobStopped` if somebody stops the job meanwhile.
        """
        self.wait(timeout)
        follower = self._follow()
        if follower.state() is not State.FAILED:
            return None
        return outcome.exception(follower.snapshot(), follower.record, self._bundle)

    @property
    def failure(self) -> Failure | None:
        """Why the job failed, as the view says it: headline, rank, line, remedy and traceback; None if it did not."""
        return self._follow().snapshot().failure

    def results(self, timeout: float | None = None) -> Sequence[Any]:
        """Wait for the job and return the values of the cell's last expression on all ranks, a list by rank.

        Raises as `result`. Where only another rank than 0 has no value, because it cannot be pickled for example, the
        others can be read, and its own place raises `errors.NoResult`.
        """
        __tracebackhide__ = True
        first, follower = self._finished(timeout), self._follow()
        opener = returned.from_folder(self._connection, self._trainjob)
        return outcome.of_all(follower.snapshot(), follower.record, key=self._key, opener=opener, first=first)

    @property
    def out(self) -> Mapping[str, Any]:
        """Wait for the job and return the names of ``--out`` with their values on rank 0. Raises as `result`."""
        __tracebackhide__ = True
        found: Mapping[str, Any] = self._finished(None).out
        return found

    def logs(
        self,
        rank: int | None = None,
        *,
        follow: bool = False,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
    ) -> str | Iterator[str]:
        """Return what the nodes printed: of one node, or of all in the order of time, each line after its number.

        With `pattern` only the lines that hold it (a regular expression with `regex`; upper and lower case are the
        same), with `errors_only` those that tell of an error. With `follow`, return an iterator of lines that goes on
        until the job is over. Raises `errors.UsageError` for a node that the job does not have.
        """
        wanted = logbook.wanted(pattern, regex=regex, errors_only=errors_only)
        follower = self._follow()
        nodes = follower.snapshot().nodes
        if rank is not None and not 0 <= rank < nodes:
            there = f"nodes 0 to {nodes - 1}" if nodes > 1 else "one node, number 0"
            raise errors.UsageError(f"{self.name} has no node {rank}: it has {there}.")
        width = len(str(max(0, nodes - 1)))

        def texts(lines: Iterable[LogLine]) -> Iterator[str]:
            for line in lines:
                if not wanted(line.text):
                    continue
                if rank is None:
                    yield f"{line.rank:>{width}} | {line.text}"
                elif line.rank == rank:
                    yield line.text

        if follow:
            return texts(follower.lines())
        if follower.state().finished:
            follower.wait(follower.settled, SETTLE)
        return "\n".join(texts(follower.kept_lines()))

    def metrics(self) -> dict[str, list[float]]:
        """Return everything that was reported, as columns of one length: rank, time, step, and each metric.

        Times are unix seconds; a metric that a row does not have is nan. ``pandas.DataFrame(job.metrics())`` works.
        """
        follower = self._follow()
        if follower.state().finished:
            follower.wait(follower.settled, SETTLE)
        return follower.record.columns()

    def series(self) -> Series:
        """Return everything that was reported, ready to be drawn: bands over the ranks, lines of single ranks."""
        return self._follow().series()

    def logbook(self) -> LogBook:
        """Return the log as views read it: the newest lines as they arrive, and pages of everything kept."""
        return self._follow().log

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` (from a thread) when something changed, at most ten times a second; returns how to end it."""
        return self._follow().subscribe(callback)

    def on_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when somebody's `wait` is over, in that thread, before it returns; returns how to end it."""
        return self._follow().on_over(callback)

    def other(self, uid: str) -> TrainJob:
        """Return another job of the same namespace by its uid. Raises `errors.UsageError` if it is not there."""
        if uid == self.uid:
            return self
        others = self._connection.client.list(TRAINJOBS, namespace=self.namespace).items
        return among(self._connection, others, uid, namespace=self.namespace)

    def earlier(self) -> list[Earlier]:
        """Return the jobs of the namespace that this one can be compared with, the most alike first."""
        return earlier(self._connection, self._trainjob)

    def stop(self) -> None:
        """Suspend the job: its programs get SIGTERM, what they wrote is read first. It is shown as Stopped.

        Warns (`errors.NoCheckpoint`) where it has written no checkpoint, since `resume` begins its cell anew.
        """
        lost = self.halt()
        if lost is not None:
            warnings.warn(lost, stacklevel=2)

    def halt(self) -> errors.NoCheckpoint | None:
        """Stop the job, and return the warning instead of giving it: for those who say it in their own way."""
        follower = self._follow()
        state = follower.state()
        if state.finished:
            return None
        patch = {"metadata": {"annotations": {STOPPED_BY_ANNOTATION: _user()}}, "spec": {"suspend": True}}
        self._connection.client.patch(TRAINJOBS, self.name, patch, namespace=self.namespace)
        follower.wait(lambda: follower.state() in (State.STOPPED, State.DELETED), STOP_GRACE)
        lost = state is State.RUNNING and follower.record.checkpoint is None
        return errors.NoCheckpoint(self.name) if lost else None

    def resume(self) -> None:
        """Let a stopped or suspended job start again; its programs begin anew, its metrics and logs are kept.

        Resuming a job that goes on is no error. Raises `errors.UsageError` for one that is over.
        """
        follower = self._follow()
        state = follower.state()
        if state.finished:
            raise errors.UsageError(
                f"{self.name} is {state.value}: only a stopped job can be resumed. Run its cell again for a new one."
            )
        patch = {"metadata": {"annotations": {STOPPED_BY_ANNOTATION: None}}, "spec": {"suspend": False}}
        self._connection.client.patch(TRAINJOBS, self.name, patch, namespace=self.namespace)
        follower.wait(lambda: follower.state() not in (State.STOPPED, State.SUSPENDED), STOP_GRACE)

    def events(self) -> list[dict[str, Any]]:
        """Return what the cluster said about the job, its JobSet, Jobs and pods, oldest first.

        Each has time (unix seconds, of the last one), object, type, reason, message and count (how often).
        ``pandas.DataFrame(job.events())`` works. A cluster forgets events, most after an hour.
        """
        return events.of(self._connection.client, self._trainjob)

    def delete(self) -> None:
        """Delete the job with its pods, logs and history. Deleting a job that is gone is no error."""
        with suppress(errors.NotFound):
            self._connection.client.delete(TRAINJOBS, self.name, namespace=self.namespace, uid=self.uid)
        follower = known(self._connection, self.uid)
        if follower is not None:
            if follower.wait(lambda: follower.state() is State.DELETED, STOP_GRACE):
                follower.closed.wait(STOP_GRACE)  # From then on it asks the cluster nothing.
            if follower.closed.is_set():
                follower.gone()
        if not self._connection.embedded:
            self._connection.history.forget(self.uid)

    def rerun(self) -> TrainJob:
        """Send the very same job again under a new name, and return its handle at once.

        Cell, captured values, seed and runtime are the same, whatever has become of the notebook's and the cluster's;
        what is not as it was comes as a warning (`errors.RunsDifferently`). Works in any kernel, for a job that is over
        as for one that goes on. Raises `errors.UsageError` if what the job came with is gone.
        """
        job, differences = self.again()
        if differences:
            warnings.warn(errors.RunsDifferently(" ".join(differences)), stacklevel=2)
        return job

    def again(self) -> tuple[TrainJob, list[str]]:
        """Send the job again, and return what is different with it: for those who say it in their own way."""
        made = rerun.rerun(self._connection, self._trainjob)
        return TrainJob(self._connection, made.trainjob), made.differences

    @property
    def record(self) -> dict[str, Any]:
        """Return how the job was made: cell, notebook, git, packages, runtime, options, arguments, seed, user, time.

        Empty for a job that was not sent from a notebook, and for one whose bundle is gone.
        """
        return record.of(self._connection, self._trainjob)

    def details(self) -> list[Section]:
        """Return what travelled with the job, versions, and its record, as texts. Raises as `rerun`."""
        return details.of(self._connection, self._trainjob)

    @property
    def files(self) -> Files:
        """Return what the ranks have written into ``output_dir()`` so far: a mapping of paths to files."""
        return Files(folder.of(self._connection, self._trainjob))

    def fork(self, from_step: int | None = None, **changes: Any) -> TrainJob:
        """Send the job once more, with its checkpoints up to `from_step` (all without one) and some `changes`.

        Changes are options of `submit`, such as ``nodes=4``, and values that the job took along, by their names, such
        as ``lr=0.01``. Raises `errors.UsageError` for others, and where there is no checkpoint of that step.
        """
        return TrainJob(
            self._connection, fork.fork(self._connection, self._trainjob, from_step=from_step, changes=changes)
        )

    def to_yaml(self) -> str:
        """Return the TrainJob as YAML, as ``kubectl create -f`` takes it: without the server's own fields."""
        return exports.as_yaml(self._trainjob)

    def to_magic(self) -> str:
        """Return the ``%%trainjob`` cell that sends the job again, with the options that it has.

        Raises `errors.UsageError` for a job that was no cell.
        """
        return exports.as_magic(self._connection, self._trainjob)

    def to_sdk(self) -> str:
        """Return Python code that sends the job with Kubeflow's SDK; comments say what does not travel that way."""
        from jupyter_trainjob.client import sdk

        return sdk.as_sdk(self._connection, self._trainjob)

    def _follow(self) -> Follower:
        if self._follower is None:
            self._follower = follow(self._connection, self._trainjob, holder=self)
        return self._follower

    def _finished(self, timeout: float | None) -> outcome.Outcome:
        __tracebackhide__ = True
        if self._outcome is None:
            self.wait(timeout)
            follower = self._follow()
            if follower.state() is State.FAILED:
                raise outcome.exception(follower.snapshot(), follower.record, self._bundle)
            opener = returned.from_folder(self._connection, self._trainjob)
            self._outcome = outcome.of(follower.snapshot(), follower.record, key=self._key, opener=opener)
        return self._outcome

    def _bundle(self) -> outcome.Bundle:
        secret = self._connection.client.get(SECRETS, bundle_secret(self.name), namespace=self.namespace)
        return outcome.Bundle(base64.b64decode(secret["data"][KEY_ENTRY]), copying.manifest(secret))

    def _key(self) -> bytes:
        return self._bundle().key


def among(connection: Connection, trainjobs: Iterable[Object], uid: str, *, namespace: str) -> TrainJob:
    """Return the one of a namespace's `trainjobs` that has this uid. Raises `errors.UsageError` if none has."""
    for trainjob in trainjobs:
        if trainjob["metadata"]["uid"] == uid:
            return TrainJob(connection, trainjob)
    raise errors.UsageError(f"That job is not in {namespace} on {connection.name} any more: it was deleted.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return MANAGED_BY
