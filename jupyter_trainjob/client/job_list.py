"""All jobs of a namespace, kept up to date by one watch of TrainJobs and one of pods.

Progress and metrics come from the follower of a job that this process watches, else from the history that all
processes of the user share. For the newest running jobs without a follower here, the last minute of their logs is read
periodically. Metrics are shown only when all ranks have reported, so that a row shows the same value as the job's own
view. Only jobs that have changed are derived again.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import timestamp, whole_second
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.diagnosis import kueue
from jupyter_trainjob.client.diagnosis.failure import training_container
from jupyter_trainjob.client.job_lookup import with_pods
from jupyter_trainjob.client.live_job import LiveJob, find_by_uid
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.client.state.derive import derive_snapshot, derive_state
from jupyter_trainjob.client.state.nodes import newest_pods
from jupyter_trainjob.client.watching import job_follower
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.log_lines import parse_lines
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame

MAX_JOBS = 2000
"""Jobs in a list: the newest."""
HISTORY_INTERVAL = 2.0
"""Seconds between two reads of the history of a running job."""
MAX_LOGS = 16
"""Logs that are read in one round; of a job with more nodes than are left of these, only the first node's."""
LOG_INTERVAL = 5.0
"""Seconds between two rounds."""
LOG_WINDOW = 60.0
"""Seconds of a log that its first read covers."""

_boards: weakref.WeakValueDictionary[tuple[str, str], JobList] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def job_list(*, context: str | None = None, namespace: str | None = None) -> JobList:
    """Return this process's list of a namespace's jobs, which watches the cluster while it has subscribers."""
    connection = connect(context)
    where = connection.name, namespace_for(connection, namespace)
    with _lock:
        board = _boards.get(where)
        if board is None or not board.is_of(connection):
            board = _boards[where] = JobList(connection, where[1])
        return board


class JobList:
    """The jobs of one namespace. Thread-safe."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.namespace = namespace
        self._connection = connection
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []
        self._known: dict[str, _CachedJob] = {}
        self._holds: dict[str, kueue.Hold] = {}
        self._jobs: Informer | None = None
        self._pods: Informer | None = None
        self._ended = threading.Event()

    @property
    def context(self) -> str:
        """Return the name of the cluster."""
        return self._connection.name

    def is_of(self, connection: Connection) -> bool:
        """Return whether this list shows the cluster of `connection`."""
        return self._connection is connection

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each change; return a function that ends that. The last subscriber ends the watch."""
        with self._lock:
            self._subscribers.append(callback)
            if self._jobs is None or self._pods is None:
                self._jobs, self._pods = self._watch()
                self._ended = threading.Event()
                threading.Thread(
                    target=self._read_logs_periodically, args=(self._ended,), name="trainjob-board", daemon=True
                ).start()

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)
                watches = (self._jobs, self._pods)
                if self._subscribers:
                    return
                self._jobs = self._pods = None
                self._ended.set()
            for watch in watches:
                if watch is not None:
                    watch.stop()

        return unsubscribe

    @property
    def synced(self) -> bool:
        """Whether a subscriber has the complete list."""
        return all(watch is not None and watch.synced for watch in (self._jobs, self._pods))

    @property
    def sync_error(self) -> str:
        """Return why the list is out of date, as a sentence; empty while it is current."""
        return next(
            (watch.sync_error for watch in (self._jobs, self._pods) if watch is not None and watch.sync_error), ""
        )

    def find_job(self, uid: str) -> LiveJob:
        """Return a job by its uid. Raises `errors.UsageError` if it does not exist."""
        return find_by_uid(self._connection, self._trainjobs(), uid, namespace=self.namespace)

    def snapshots(self) -> list[Snapshot]:
        """Return the jobs, newest first."""
        snapshots = [self._snapshot(job, pods) for job, pods in self._newest()]
        with self._lock:
            self._known = {
                snapshot.uid: self._known[snapshot.uid] for snapshot in snapshots if snapshot.uid in self._known
            }
        return snapshots

    def follows(self, uid: str) -> bool:
        """Whether this process follows the job, and so reads its whole log instead of the end."""
        return job_follower.started_follower(self._connection, uid) is not None

    def _newest(self) -> list[tuple[KubeObject, list[KubeObject]]]:
        """Return the jobs with their pods, newest first."""
        return with_pods(self._trainjobs(), self._list_pods())[:MAX_JOBS]

    def _snapshot(self, trainjob: KubeObject, pods: list[KubeObject]) -> Snapshot:
        uid = trainjob["metadata"]["uid"]
        follower = job_follower.started_follower(self._connection, uid)
        if follower is not None:
            return follower.snapshot()
        return self._known_of(uid).snapshot(trainjob, pods, self._connection, self._holds.get(uid))

    def _known_of(self, uid: str) -> _CachedJob:
        with self._lock:
            known = self._known.get(uid)
            if known is None:
                known = self._known[uid] = _CachedJob()
            return known

    def _read_logs_periodically(self, ended: threading.Event) -> None:
        while not ended.wait(LOG_INTERVAL):
            if not self.synced:
                continue  # A request would start an embedded cluster that was stopped.
            self._read_logs()

    def _read_logs(self) -> None:
        """Read the new log lines of the newest running jobs, and Kueue's holds."""
        try:
            jobs = self._newest()
            holds = kueue.explain_holds(self._connection.watcher, self.namespace, [job for job, _ in jobs])
        except errors.TrainJobError:
            return  # The API server does not answer.
        running = [
            (job["metadata"]["uid"], newest_pods(pods))
            for job, pods in jobs
            if derive_state(job, pods) is State.RUNNING
            and job_follower.started_follower(self._connection, job["metadata"]["uid"]) is None
        ]
        room = MAX_LOGS
        for uid, nodes in running:
            for pod in (nodes if len(nodes) <= room else nodes[:1])[:room]:
                room -= 1
                with suppress(errors.TrainJobError):  # The next round tries again.
                    self._known_of(uid).read_log(self._connection.watcher, pod)
        if running or holds != self._holds:
            self._holds = holds
            self._notify()

    def _trainjobs(self) -> list[KubeObject]:
        if self._jobs is not None and self._jobs.synced:
            return self._jobs.list()
        return self._connection.client.list(TRAINJOBS, namespace=self.namespace).items

    def _list_pods(self) -> list[KubeObject]:
        if self._pods is not None and self._pods.synced:
            return self._pods.list()
        return self._connection.client.list(PODS, namespace=self.namespace, labels=JOBSET_NAME).items

    def _watch(self) -> tuple[Informer, Informer]:
        client = self._connection.watcher
        jobs = Informer(client, TRAINJOBS, namespace=self.namespace)
        pods = Informer(client, PODS, namespace=self.namespace, labels=JOBSET_NAME)
        jobs.on_change(self._job_changed)
        pods.on_change(lambda _, __: self._notify())
        for informer in (jobs, pods):
            informer.on_sync_change(self._notify)
        jobs.start()
        pods.start()
        return jobs, pods

    def _job_changed(self, old: KubeObject | None, new: KubeObject | None) -> None:
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            follower = job_follower.started_follower(self._connection, old["metadata"]["uid"])
            if follower is not None:
                follower.mark_deleted()
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for callback in subscribers:
            callback()


@dataclass
class _CachedJob:
    """The telemetry of one job that was read from history and logs, and the snapshot derived from it."""

    record: Telemetry = field(default_factory=Telemetry)
    versions: tuple[str, ...] = ()
    """The resource versions of the TrainJob and its pods that `derived` was made of."""
    hold: kueue.Hold | None = None
    derived: Snapshot | None = None
    """None if telemetry has arrived since."""
    state: State | None = None
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    """The last frame of each rank and attempt that was read from the history."""
    read_at: float = 0.0
    since: dict[str, str] = field(default_factory=dict)
    """The time, in whole seconds, of the last log line that was read of a pod, by the pod's uid."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def snapshot(
        self, trainjob: KubeObject, pods: list[KubeObject], connection: Connection, hold: kueue.Hold | None
    ) -> Snapshot:
        """Return the snapshot of the job, derived again only after a change."""
        versions = tuple(str(obj["metadata"]["resourceVersion"]) for obj in (trainjob, *pods))
        with self.lock:
            same = versions == self.versions and hold == self.hold
            state = self.state if same and self.state else derive_state(trainjob, pods, hold=hold)
            self._read(connection.history, trainjob["metadata"]["uid"], state)
            if self.derived is None or not same:
                derived = derive_snapshot(trainjob, pods, self.record, context=connection.name, hold=hold)
                is_complete = len(self.record.ranks) >= derived.ranks
                self.derived = derived if is_complete else replace(derived, metrics={}, ranges={})
                self.versions, self.hold = versions, hold
            return self.derived

    def _read(self, history: History, uid: str, state: State) -> None:
        """Read new frames from the history: after a change of the state, and periodically while the job runs."""
        now = time.monotonic()
        changed = state is not self.state
        if not changed and (state is not State.RUNNING or now - self.read_at < HISTORY_INTERVAL):
            return
        self.state, self.read_at = state, now
        for frame in history.newest_frames(uid, known=self.places):
            self._add(frame)

    def _add(self, frame: Frame) -> None:
        self.record.add(frame)
        self.derived = None

    def read_log(self, client: Client, pod: KubeObject) -> None:
        """Read the log lines that a pod has written since the last read."""
        metadata = pod["metadata"]
        since = self.since.get(metadata["uid"]) or timestamp(time.time() - LOG_WINDOW)
        lines = client.logs(
            metadata["name"],
            namespace=metadata["namespace"],
            container=training_container(pod),
            timestamps=True,
            since_time=since,
        )
        for line in parse_lines(lines):
            self.since[metadata["uid"]] = whole_second(line.stamp)
            if line.frame is not None:
                with self.lock:
                    self._add(line.frame)
