"""Follows one job until it is finished and everything that its ranks wrote is read.

One watch on the TrainJob, one on its pods, one followed log per pod; what they bring goes into a `Record` (frames), a
`LogBook` (text), and the `History` that outlives this process. A pulse at most ten times a second tells subscribers
that something changed. Everything may be lost and begun again: the logs, and behind them the history, have it all.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Object
from jupyter_trainjob.client import causes, events, phases
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.derive import derive, state_of
from jupyter_trainjob.client.logbook import LogBook, log_line
from jupyter_trainjob.client.logreader import LogReader
from jupyter_trainjob.client.snapshot import LogLine, Snapshot, State
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import Kept, Place, node_index
from jupyter_trainjob.metrics.loglines import Line
from jupyter_trainjob.metrics.record import Record

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

PULSE = 0.1
TAIL = 200
WARNING_AFTER = 1.5
"""Seconds without a pod, or with one that does not begin, after which the API is asked what is wrong with the job;"""
WARNING_AT_LEAST = 15.0
"""at least so often while that lasts."""
SYNC_TIMEOUT = 30.0
ENDED = ("Succeeded", "Failed")
"""Phases of a pod that runs no more, or was refused and never ran."""
_log = logging.getLogger(__name__)

_followers: weakref.WeakKeyDictionary[Client, weakref.WeakValueDictionary[str, Follower]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def follow(connection: Connection, trainjob: Object, *, holder: object) -> Follower:
    """Return the one follower that this process has of a job: all of its handles and views know the same at once.

    It follows for as long as there is a `holder`, or somebody who has subscribed or reads the log.
    """
    with _lock:
        of_cluster = _followers.setdefault(connection.client, weakref.WeakValueDictionary())
        uid = trainjob["metadata"]["uid"]
        follower = of_cluster.get(uid)
        if follower is None:
            follower = of_cluster[uid] = Follower(connection, trainjob)
            follower.hold(holder)
            follower.start()
        follower.hold(holder)
    follower.synced()
    return follower


def known(connection: Connection, uid: str) -> Follower | None:
    """Return the follower of a job, if this process has one."""
    with _lock:
        of_cluster = _followers.get(connection.client)
        return None if of_cluster is None else of_cluster.get(uid)


class Follower:
    """Everything that is known of one job, kept up to date by threads of its own."""

    def __init__(self, connection: Connection, trainjob: Object) -> None:
        self._connection = connection
        self._trainjob = trainjob
        self._namespace: str = trainjob["metadata"]["namespace"]
        self._name: str = trainjob["metadata"]["name"]
        self.uid: str = trainjob["metadata"]["uid"]
        self.record = Record()
        self._series: Series | None = None
        self._lock = threading.RLock()
        self._pods: dict[str, Object] = {}
        self._seen = {(self.uid, phases.CREATED): time.time()}
        self._present: set[str] = set()
        self._readers: dict[str, LogReader] = {}
        self.log = LogBook(self._newest)
        self._known: dict[str, tuple[str, int]] = {}
        self._standing: dict[str, LogLine] = {}
        self._unsaved: dict[str, list[Line]] = {}
        self._caught_up = False
        self._deleted = False
        self._warning: causes.Warned | None = None
        self._look_pause = WARNING_AFTER
        self._next_look = time.monotonic() + WARNING_AFTER
        self._listeners: list[queue.SimpleQueue[LogLine | None]] = []
        self._subscribers: list[Callable[[], None]] = []
        self._on_over: list[Callable[[], None]] = []
        self._held = False
        self._holders: weakref.WeakSet[object] = weakref.WeakSet()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._settled = threading.Condition(self._lock)
        client = connection.watcher
        self._jobs = Informer(client, TRAINJOBS, namespace=self._namespace, fields=f"metadata.name={self._name}")
        self._podlist = Informer(client, PODS, namespace=self._namespace, labels=f"{JOBSET_NAME}={self._name}")

    def start(self) -> None:
        """Read what is kept of the job, then follow it."""
        for frame in self._connection.history.frames(self.uid):
            self.record.add(frame)
        self._known = self.log.load()
        self._jobs.on_change(self._job_changed)
        self._podlist.on_change(self._pod_changed)
        self._jobs.start()
        self._podlist.start()
        threading.Thread(target=self._pulse, name=f"trainjob-{self._name}", daemon=True).start()

    def hold(self, holder: object) -> None:
        """Follow for as long as `holder` lives, at least."""
        self._held = True
        self._holders.add(holder)
        # Whoever waits for changes sees that it is gone.
        weakref.finalize(holder, self._changed.set).atexit = False

    def close(self) -> None:
        """Stop following."""
        self._closed.set()
        self._changed.set()
        self._jobs.stop()
        self._podlist.stop()
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            for listener in self._listeners:
                for line in (*self._standing.values(), None):
                    listener.put(line)
            self._settled.notify_all()

    def trainjob(self) -> Object:
        """Return the TrainJob as last seen."""
        with self._lock:
            return self._trainjob

    def snapshot(self) -> Snapshot:
        """Return what is known now."""
        with self._lock:
            return derive(
                self._trainjob,
                self._pods.values(),
                self.record,
                context=self._connection.name,
                deleted=self._deleted,
                warning=self._warning,
                seen=self._seen,
                log=self.log.tail(TAIL),
            )

    def series(self) -> Series:
        """Return everything that was reported, for those who draw it; it grows with the job."""
        from jupyter_trainjob.metrics.series import Series  # NumPy: only who draws needs it.

        with self._lock:
            if self._series is None:
                self._series = Series(self.record, self._lock)
            return self._series

    def state(self) -> State:
        """Return the state alone: cheaper than a snapshot."""
        with self._lock:
            return state_of(self._trainjob, self._pods.values(), deleted=self._deleted)

    def settled(self) -> bool:
        """Whether the job will not change any more and everything it wrote has been read."""
        with self._lock:
            return self._caught_up and all(reader.done for reader in self._readers.values())

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until `until` holds; False if `timeout` seconds passed before."""
        with self._settled:
            return self._settled.wait_for(lambda: until() or self._closed.is_set(), timeout)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after changes, at most ten times a second; returns how to end that."""
        unsubscribe = self._enlist(callback, self._subscribers)
        self._changed.set()
        return unsubscribe

    def on_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called by everybody who has waited for the job, before they go on; returns how to end it."""
        return self._enlist(callback, self._on_over)

    def _enlist(self, callback: Callable[[], None], among: list[Callable[[], None]]) -> Callable[[], None]:
        with self._lock:
            among.append(callback)

        def leave() -> None:
            with self._lock:
                if callback in among:
                    among.remove(callback)

        return leave

    def tell_over(self) -> None:
        """Call back whoever wants to be before somebody who waited goes on."""
        with self._lock:
            callbacks = list(self._on_over)
        for callback in callbacks:
            callback()

    def synced(self) -> bool:
        """Wait until the first lists are here; False if the server did not answer in time."""
        return self._jobs.wait_synced(SYNC_TIMEOUT) and self._podlist.wait_synced(SYNC_TIMEOUT)

    def _job_changed(self, _old: Object | None, new: Object | None) -> None:
        with self._lock:
            if new is None or new["metadata"]["uid"] != self.uid:
                self._deleted = True
            else:
                self._trainjob = new
        self.touch()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old
        if pod is None or str(pod["metadata"]["creationTimestamp"]) < self._trainjob["metadata"]["creationTimestamp"]:
            return
        uid = pod["metadata"]["uid"]
        with self._lock:
            self._pods[uid] = pod
            for what in phases.marks(pod):
                self._seen.setdefault((uid, what), time.time())
            (self._present.discard if new is None else self._present.add)(uid)
            started = _phase(pod) in (*ENDED, "Running")
            if started and uid not in self._readers and not self._closed.is_set():
                self._readers[uid] = LogReader(self, pod)
                self._readers[uid].start()
        self.touch()

    def gone(self) -> None:
        """Take note that the job was deleted, also after it was over and nobody watches it any more."""
        with self._lock:
            if self._deleted:
                return
            self._deleted = True
            subscribers = list(self._subscribers) if self._closed.is_set() else []
        self.touch()
        for callback in subscribers:
            callback()

    def gone_or_ended(self, pod_uid: str) -> bool:
        """Whether a pod's log will not grow any more."""
        with self._lock:
            return pod_uid not in self._present or _phase(self._pods[pod_uid]) in ENDED

    def take(self, pod: Object, line: Line) -> None:
        """Take over a line that a reader has read."""
        with self._lock:
            if line.frame is not None:
                self.record.add(line.frame)
            else:
                self._take_text(pod["metadata"]["uid"], node_index(pod), line)
            self._unsaved.setdefault(pod["metadata"]["uid"], []).append(line)
        self._changed.set()

    def _take_text(self, pod: str, node: int, line: Line) -> None:
        known = self._known.get(pod)
        if known is not None and line.place <= known:
            return  # A log is read from its beginning, for the frames; its text is here already.
        text = self.log.add(pod, node, line)
        self._standing.pop(line.row, None)
        if line.row and not text.text:
            return
        if line.open:
            self._standing[line.row] = text  # To be said when it stands as it will stay.
        else:
            for listener in self._listeners:
                listener.put(text)

    def _newest(self, *, before: Place | None, nodes: Collection[int] | None) -> Iterator[Kept]:
        self._save()
        return self._connection.history.newest(self.uid, before=before, nodes=nodes)

    def _save(self) -> None:
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        for pod, lines in unsaved.items():
            self._connection.history.add(self.uid, pod, node_index(self._pods[pod]), lines)

    def kept_lines(self) -> list[LogLine]:
        """Return every line that was read and is kept, of all pods in the order of time."""
        self._save()
        return [log_line(node, line) for _, node, line in self._connection.history.lines(self.uid)]

    def lines(self) -> Iterator[LogLine]:
        """Yield the lines that are kept, then new ones as they come, until the job is settled."""
        arrivals: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()
        with self._lock:
            kept = self.kept_lines()
            over = self._closed.is_set()
            self._listeners.append(arrivals)
        try:
            yield from kept
            while not over:
                line = arrivals.get()
                if line is None:
                    return
                yield line
        finally:  # Who stops reading early must not have lines collected for ever.
            with self._lock:
                self._listeners.remove(arrivals)

    @property
    def connection(self) -> Connection:
        """Return the connection that the job is followed through."""
        return self._connection

    @property
    def closed(self) -> threading.Event:
        """Return the event that ends every thread of this follower."""
        return self._closed

    def touch(self) -> None:
        """Say that something changed: at once to those who wait, with the next pulse to subscribers."""
        with self._lock:
            self._settled.notify_all()
        self._changed.set()

    def _pulse(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(self._look_pause if self._is_held_up() else None)
            self._changed.clear()
            try:
                over = self._beat()
            except Exception:  # noqa: BLE001 - who waits for the job waits for this thread
                _log.exception("following %s failed for a moment", self._name)
                over = False
                self._changed.set()
            if over:
                self.close()
                return
            self._closed.wait(PULSE)

    def _beat(self) -> bool:
        """Look after what changed; returns whether there is nothing more to follow."""
        if time.monotonic() > self._next_look and self._is_held_up():
            self._look_for_a_warning()
            self._next_look = time.monotonic() + self._look_pause
            self._look_pause = min(2 * self._look_pause, WARNING_AT_LEAST)
        if not self._caught_up and self.state().finished:
            self._catch_up()
        settled = self.settled()
        self._save()
        with self._lock:
            self._settled.notify_all()
            subscribers = list(self._subscribers)
        for callback in subscribers:
            self._tell(callback)
        return settled or self._dropped()

    def _tell(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - others wait for the thread that this is
            _log.exception("somebody who watches %s failed", self._name)

    def _dropped(self) -> bool:
        """Whether nobody wants to know any more; who does from now on gets another follower."""
        with _lock:
            if not self._held or self._holders or self._listeners or self._subscribers:
                return False
            _followers[self._connection.client].pop(self.uid, None)
            return True

    def _catch_up(self) -> None:
        """See the pods as they are now that the job is over: their watch may lag behind the job's."""
        labels = f"{JOBSET_NAME}={self._name}"
        try:
            pods = self._connection.watcher.list(PODS, namespace=self._namespace, labels=labels).items
        except errors.TrainJobError:
            self._changed.set()  # The server is away: with the next pulse.
            return
        for pod in pods:
            self._pod_changed(None, pod)
        with self._lock:
            self._caught_up = True

    def _is_held_up(self) -> bool:
        """Whether the API may know why nothing runs: there is no pod, or one that has its node and does not begin."""
        with self._lock:
            pods = [self._pods[uid] for uid in self._present]
            return not self._deleted and (not self._pods or any(causes.is_prepared(pod) for pod in pods))

    def _look_for_a_warning(self) -> None:
        try:
            found = events.last_warning(self._connection.watcher, self._trainjob)
        except errors.TrainJobError:
            return  # It is only an explanation; the watches will tell if the server is gone.
        if found is not None:
            with self._lock:
                self._warning = found


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")
