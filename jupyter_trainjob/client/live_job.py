"""`LiveJob`: a job as views, magics and commands use it.

`TrainJob`, the public handle, is built on it. An operation here returns its warnings, such as lines missing from a log
or progress lost by a stop; `TrainJob` issues them with `warnings.warn`. Modules for exports and reruns are imported by
the first call that needs them, since commands of the shell read jobs without them.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.diagnosis import events, kueue
from jupyter_trainjob.client.reproduce.comparable_jobs import ComparableJob, find_comparable
from jupyter_trainjob.client.snapshot import Snapshot, State, Status
from jupyter_trainjob.client.watching import log_query
from jupyter_trainjob.client.watching.job_follower import JobFollower, follow_job, started_follower
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.constants import MANAGED_BY, STOPPED_BY_ANNOTATION, VARIABLE_ANNOTATION

if TYPE_CHECKING:
    from jupyter_trainjob.client.reproduce.details import Section
    from jupyter_trainjob.metrics.series import Series

STOP_GRACE = 5.0
"""Seconds that `LiveJob.stop` and `LiveJob.delete` wait to see that it happened."""
SETTLE = 30.0
"""Seconds in which the logs of a finished job are read to their end."""


class LiveJob:
    """One job of a cluster, followed from the first request about it."""

    def __init__(self, connection: Connection, trainjob: KubeObject) -> None:
        self.connection = connection
        self.trainjob = trainjob
        self._follower: JobFollower | None = None

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""
        return str(self.trainjob["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Return the namespace of the TrainJob object."""
        return str(self.trainjob["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """Return the uid of the TrainJob object."""
        return str(self.trainjob["metadata"]["uid"])

    @property
    def context(self) -> str:
        """Return the name of the context."""
        return self.connection.name

    @property
    def variable(self) -> str:
        """Return the notebook variable that the cell named; empty for a job that was created from YAML."""
        return str((self.trainjob["metadata"].get("annotations") or {}).get(VARIABLE_ANNOTATION, ""))

    def status(self) -> Status:
        """Return the state now, with its reason."""
        return Status.of(self.follower().snapshot())

    def snapshot(self) -> Snapshot:
        """Return everything known now, as plain values."""
        return self.follower().snapshot()

    def follower(self) -> JobFollower:
        """Return the follower of the job, complete as of now."""
        if self._follower is None:
            self._follower = follow_job(self.connection, self.trainjob, holder=self)
            self._follower.wait_synced()
        return self._follower

    def readable_follower(self) -> JobFollower:
        """Return the follower of the job, a new one if the previous one could not read the log to its end."""
        if self._follower is not None and self._follower.log_error:
            self._follower = None
        return self.follower()

    def read_log(self, query: log_query.LogQuery) -> log_query.LogLines:
        """Return the lines that match `query`, with a warning if older lines are omitted."""
        follower = self.follower() if query.follow else self._settled_follower()
        return log_query.read_log(follower, query, name=self.name)

    def metrics(self) -> dict[str, list[float]]:
        """Return everything that was reported, as columns of one length."""
        return self._settled_follower().record.columns()

    def series(self) -> Series:
        """Return the reported metrics as series: bands over the ranks, and lines of single ranks."""
        return self.follower().series()

    def log_buffer(self) -> LogBuffer:
        """Return the log: the newest lines as they arrive, and pages of all kept lines."""
        return self.follower().log.buffer

    def follow_created(self) -> None:
        """Begin to follow a job that was just created, without waiting for the cluster."""
        self._follower = follow_job(self.connection, self.trainjob, holder=self)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` from a thread after changes, at most ten times a second; return a function that ends that."""
        return self.follower().subscribe(callback)

    def on_wait_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the thread of each `TrainJob.wait` before it returns; return a function that ends that."""
        return self.follower().on_finished(callback)

    def sibling(self, uid: str) -> LiveJob:
        """Return another job of the same namespace by its uid. Raises `errors.UsageError` if it does not exist."""
        if uid == self.uid:
            return self
        others = self.connection.client.list(TRAINJOBS, namespace=self.namespace).items
        return find_by_uid(self.connection, others, uid, namespace=self.namespace)

    def comparable_jobs(self) -> list[ComparableJob]:
        """Return the jobs of the namespace that this one can be compared with, the most similar first."""
        return find_comparable(self.connection, self.trainjob)

    def stop(self) -> errors.NoCheckpoint | None:
        """Stop the job; return a warning if it was running and had written no checkpoint."""
        follower = self.follower()
        state = follower.state()
        if state.finished:
            return None
        patch: KubeObject = {"metadata": {"annotations": {STOPPED_BY_ANNOTATION: _user()}}}
        if not kueue.pause(self.connection.client, follower.trainjob()):
            patch["spec"] = {"suspend": True}
        self.connection.client.patch(TRAINJOBS, self.name, patch, namespace=self.namespace)
        follower.wait(lambda: follower.state() in (State.STOPPED, State.DELETED), STOP_GRACE)
        lost = state is State.RUNNING and follower.record.checkpoint is None
        return errors.NoCheckpoint(self.name) if lost else None

    def resume(self) -> None:
        """Start a stopped or suspended job again, from the first line of its cell; metrics and logs are kept.

        Does nothing for a running job. Raises `errors.UsageError` for a finished job.
        """
        follower = self.follower()
        state = follower.state()
        if state.finished:
            raise errors.UsageError(
                f"{self.name} is {state.value}: only a stopped job can be resumed. rerun() sends it again as a new one."
            )
        patch: KubeObject = {"metadata": {"annotations": {STOPPED_BY_ANNOTATION: None}}}
        if not kueue.activate(self.connection.client, follower.trainjob()):
            patch["spec"] = {"suspend": False}
        self.connection.client.patch(TRAINJOBS, self.name, patch, namespace=self.namespace)
        follower.wait(lambda: follower.state() not in (State.STOPPED, State.SUSPENDED), STOP_GRACE)

    def events(self) -> list[dict[str, Any]]:
        """Return the cluster's events about the job, its JobSet, Jobs and pods, oldest first."""
        return events.list_events(self.connection.client, self.trainjob)

    def delete(self) -> None:
        """Delete the job with its pods, logs and history, and its folder on the embedded cluster.

        Does nothing for a deleted job.
        """
        with suppress(errors.NotFound):
            self.connection.client.delete(TRAINJOBS, self.name, namespace=self.namespace, uid=self.uid)
        follower = started_follower(self.connection, self.uid)
        if follower is not None:
            if follower.wait(lambda: follower.state() is State.DELETED, STOP_GRACE):
                follower.closed.wait(STOP_GRACE)  # It sends no requests to the cluster after that.
            if follower.closed.is_set():
                follower.mark_deleted()
        if not self.connection.embedded:
            self.connection.history.delete_job(self.uid)

    def rerun(self) -> tuple[LiveJob, list[str]]:
        """Send the job again; return the new job and its differences, a sentence each."""
        from jupyter_trainjob.client.reproduce import rerun

        repeated = rerun.rerun(self.connection, self.trainjob)
        return LiveJob(self.connection, repeated.trainjob), repeated.differences

    def record(self) -> dict[str, Any]:
        """Return the job's record; empty if none is stored."""
        from jupyter_trainjob.client.reproduce import provenance

        return provenance.job_record(self.connection, self.trainjob)

    def details(self) -> list[Section]:
        """Return the contents of the bundle, versions and the record, as texts. Raises as `rerun`."""
        from jupyter_trainjob.client.reproduce import details

        return details.job_details(self.connection, self.trainjob)

    def to_yaml(self) -> str:
        """Return the TrainJob as YAML."""
        from jupyter_trainjob.client.export import exports

        return exports.as_yaml(self.trainjob)

    def to_magic(self) -> str:
        """Return the cell that sends the job again; raises `errors.UsageError` for a job without a cell."""
        from jupyter_trainjob.client.export import exports

        return exports.as_magic(self.connection, self.trainjob)

    def to_sdk(self) -> str:
        """Return code for Kubeflow's SDK that sends the job again."""
        from jupyter_trainjob.client.export import kubeflow_sdk

        return kubeflow_sdk.as_sdk(self.connection, self.trainjob)

    def _settled_follower(self) -> JobFollower:
        """Return the follower, of a finished job once its logs are read to their end."""
        follower = self.follower()
        if follower.state().finished:
            follower.wait(follower.settled, SETTLE)
        return follower


def find_by_uid(connection: Connection, trainjobs: Iterable[KubeObject], uid: str, *, namespace: str) -> LiveJob:
    """Return the job with this uid among a namespace's `trainjobs`. Raises `errors.UsageError` without one."""
    for trainjob in trainjobs:
        if trainjob["metadata"]["uid"] == uid:
            return LiveJob(connection, trainjob)
    raise errors.UsageError(f"That job is not in {namespace} on {connection.location} any more: it was deleted.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the uid has no user name, as in some containers
        return MANAGED_BY
