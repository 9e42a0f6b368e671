"""All jobs of a namespace as they are now: from one list and watch of TrainJobs and one of pods, whatever their number.

How far a job is, and what it reports, comes from where this process or another one has read it already: the follower
of a job that is watched here, else the history that all processes of this user share. Of the newest jobs that run and
that nobody here follows, the last minute of the first node's log is looked at now and then. A look derives only the
jobs that have changed.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Object
from jupyter_trainjob.api.times import timestamp, whole_second
from jupyter_trainjob.client import follow
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.derive import derive, state_of
from jupyter_trainjob.client.failure import training_container
from jupyter_trainjob.client.handle import TrainJob, among
from jupyter_trainjob.client.jobs import with_pods
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import History, node_index
from jupyter_trainjob.metrics.loglines import parse
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker.protocol import Frame

MOST = 2000
"""Jobs on a board: the newest."""
REREAD = 2.0
"""Seconds between two looks into the history for what a job that runs has reported elsewhere."""
LOOKED_AT = 8
"""Logs that are looked at,"""
LOOK = 5.0
"""so often, in seconds,"""
LOOK_BACK = 60.0
"""and so far back the first time."""

_boards: weakref.WeakValueDictionary[tuple[str, str], Board] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def board(*, context: str | None = None, namespace: str | None = None) -> Board:
    """Return the board of a namespace; this process has one of each, which watches while somebody has subscribed."""
    connection = connect(context)
    where = connection.name, namespace_for(connection, namespace)
    with _lock:
        found = _boards.get(where)
        if found is None or not found.is_of(connection):
            found = _boards[where] = Board(connection, where[1])
        return found


class Board:
    """The jobs of one namespace. Thread-safe."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.namespace = namespace
        self._connection = connection
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[], None]] = []
        self._known: dict[str, _Known] = {}
        self._jobs: Informer | None = None
        self._pods: Informer | None = None
        self._ended = threading.Event()

    @property
    def context(self) -> str:
        """Return the name of the cluster."""
        return self._connection.name

    def is_of(self, connection: Connection) -> bool:
        """Whether this is a board of `connection`."""
        return self._connection is connection

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each change; watch from now on until what is returned has been called by everybody."""
        with self._lock:
            self._subscribers.append(callback)
            if self._jobs is None or self._pods is None:
                self._jobs, self._pods = self._watch()
                self._ended = threading.Event()
                threading.Thread(
                    target=self._look_now_and_then, args=(self._ended,), name="trainjob-board", daemon=True
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
        """Whether all jobs are known already, to somebody who has subscribed."""
        return all(watch is not None and watch.synced for watch in (self._jobs, self._pods))

    @property
    def trouble(self) -> str:
        """Why the jobs are not known as they are now, in words; empty while they are."""
        return next((watch.trouble for watch in (self._jobs, self._pods) if watch is not None and watch.trouble), "")

    def find(self, uid: str) -> TrainJob:
        """Return a job by its uid. Raises `errors.UsageError` if it is not there."""
        return among(self._connection, self._trainjobs(), uid, namespace=self.namespace)

    def snapshots(self) -> list[Snapshot]:
        """Return the jobs, newest first."""
        found = [self._snapshot(job, pods) for job, pods in self._newest()]
        with self._lock:
            self._known = {each.uid: self._known[each.uid] for each in found if each.uid in self._known}
        return found

    def _newest(self) -> list[tuple[Object, list[Object]]]:
        """Return the jobs with their pods, newest first."""
        return with_pods(self._trainjobs(), self._list_pods())[:MOST]

    def _snapshot(self, trainjob: Object, pods: list[Object]) -> Snapshot:
        uid = trainjob["metadata"]["uid"]
        follower = follow.known(self._connection, uid)
        if follower is not None:
            return follower.snapshot()
        return self._known_of(uid).snapshot(trainjob, pods, self._connection)

    def _known_of(self, uid: str) -> _Known:
        with self._lock:
            known = self._known.get(uid)
            if known is None:
                known = self._known[uid] = _Known()
            return known

    def _look_now_and_then(self, ended: threading.Event) -> None:
        while not ended.wait(LOOK):
            if not self.synced:
                continue  # To ask would start an embedded cluster that somebody has stopped.
            with suppress(errors.TrainJobError):  # The server is away, or a pod is gone: there is a next time.
                self._look()

    def _look(self) -> None:
        """Read what the first nodes of the newest running jobs have said since the last time."""
        running = [
            (job["metadata"]["uid"], pods)
            for job, pods in self._newest()
            if state_of(job, pods) is State.RUNNING and follow.known(self._connection, job["metadata"]["uid"]) is None
        ]
        for uid, pods in running[:LOOKED_AT]:
            first = next((pod for pod in pods if node_index(pod) == 0), None)
            if first is not None:
                self._known_of(uid).look(self._connection.watcher, first)
        if running:
            self._tell()

    def _trainjobs(self) -> list[Object]:
        if self._jobs is not None and self._jobs.synced:
            return self._jobs.list()
        return self._connection.client.list(TRAINJOBS, namespace=self.namespace).items

    def _list_pods(self) -> list[Object]:
        if self._pods is not None and self._pods.synced:
            return self._pods.list()
        return self._connection.client.list(PODS, namespace=self.namespace, labels=JOBSET_NAME).items

    def _watch(self) -> tuple[Informer, Informer]:
        client = self._connection.watcher
        jobs = Informer(client, TRAINJOBS, namespace=self.namespace)
        pods = Informer(client, PODS, namespace=self.namespace, labels=JOBSET_NAME)
        jobs.on_change(self._job_changed)
        pods.on_change(lambda _, __: self._tell())
        for each in (jobs, pods):
            each.on_trouble(self._tell)
        jobs.start()
        pods.start()
        return jobs, pods

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            follower = follow.known(self._connection, old["metadata"]["uid"])
            if follower is not None:
                follower.gone()
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for callback in subscribers:
            callback()


@dataclass
class _Known:
    """What the history has of one job, as far as it was read, and what the job is by that."""

    record: Record = field(default_factory=Record)
    versions: tuple[str, ...] = ()
    """Those of the TrainJob and its pods that `derived` was made of."""
    derived: Snapshot | None = None
    """None: the record has grown since. Time changes nothing in it."""
    state: State | None = None
    place: tuple[int, int] = (-1, -1)
    read_at: float = 0.0
    since: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def snapshot(self, trainjob: Object, pods: list[Object], connection: Connection) -> Snapshot:
        """Return the job, derived anew only if something of it has changed."""
        versions = tuple(str(each["metadata"]["resourceVersion"]) for each in (trainjob, *pods))
        with self.lock:
            state = self.state if versions == self.versions and self.state else state_of(trainjob, pods)
            self._read(connection.history, trainjob["metadata"]["uid"], state)
            if self.derived is None or versions != self.versions:
                self.derived = derive(trainjob, pods, self.record, context=connection.name)
                self.versions = versions
            return self.derived

    def _read(self, history: History, uid: str, state: State) -> None:
        """Read what is new: of a job that failed all, to see which rank did; else what its first rank reports."""
        now = time.monotonic()
        fresh = state is not self.state
        if not fresh and (state is not State.RUNNING or now - self.read_at < REREAD):
            return
        self.state, self.read_at = state, now
        if state is State.FAILED:
            for frame in history.frames(uid):
                self._add(frame)
            return
        for frame in history.frames(uid, rank=0, after=self.place):
            self._add(frame)
            self.place = max(self.place, (frame.attempt, frame.seq))

    def _add(self, frame: Frame) -> None:
        self.record.add(frame)
        self.derived = None

    def look(self, client: Client, pod: Object) -> None:
        """Read what a pod has said since the last look."""
        metadata = pod["metadata"]
        since = self.since or timestamp(time.time() - LOOK_BACK)
        lines = client.logs(
            metadata["name"],
            namespace=metadata["namespace"],
            container=training_container(pod),
            timestamps=True,
            since_time=since,
        )
        for line in parse(lines):
            self.since = whole_second(line.stamp)
            if line.frame is not None:
                with self.lock:
                    self._add(line.frame)
