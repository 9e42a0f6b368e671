"""Follow one job until it has finished and its logs are read to the end.

A `JobFollower` watches the TrainJob and its pods and reads the log of each pod. Frames go into the telemetry record,
text into the `FollowedLog`. Subscribers are notified at most ten times a second. All state can be rebuilt from the
pods' logs and the history, so a follower may be dropped and created again.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.diagnosis import events, kubernetes_reasons, kueue
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.client.state import phases
from jupyter_trainjob.client.state.derive import derive_snapshot, derive_state
from jupyter_trainjob.client.state.own_pods import own_pods
from jupyter_trainjob.client.watching.followed_log import FollowedLog
from jupyter_trainjob.client.watching.log_reader import LogReader
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.log_lines import PodLogLine
from jupyter_trainjob.metrics.telemetry import Telemetry

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

NOTIFY_INTERVAL = 0.1
"""Seconds between two notifications of subscribers, at least."""
TAIL_LINES = 200
"""Newest log lines in a snapshot."""
EXPLAIN_AFTER = 1.5
"""Seconds without a pod, or with one that does not start, after which events are read to explain why."""
MAX_EXPLAIN_INTERVAL = 15.0
"""Longest pause in seconds between such reads; the pause doubles from `EXPLAIN_AFTER`."""
SYNC_TIMEOUT = 30.0
"""Seconds to wait for the initial list of each watch."""
ENDED_PHASES = ("Succeeded", "Failed")
"""Phases of a pod that no longer runs, or was rejected and never ran."""
_log = logging.getLogger(__name__)

_Followers = weakref.WeakValueDictionary[str, "JobFollower"]
_followers: weakref.WeakKeyDictionary[Client, _Followers] = weakref.WeakKeyDictionary()
"""The followers of this process by client and job uid."""
_lock = threading.Lock()


def follow_job(connection: Connection, trainjob: KubeObject, *, holder: object) -> JobFollower:
    """Return the process-wide follower of a job, which all handles and views of the job share.

    It stops when all holders are garbage-collected and there is no subscriber and no reader of the log stream. Its data
    is complete once `JobFollower.wait_synced` returns.
    """
    with _lock:
        of_cluster = _followers.setdefault(connection.client, weakref.WeakValueDictionary())
        uid = trainjob["metadata"]["uid"]
        follower = of_cluster.get(uid)
        if follower is None or follower.log_error:
            follower = of_cluster[uid] = JobFollower(connection, trainjob)
        follower.add_holder(holder)
    follower.start()  # Outside the lock: loading a long history must not block other jobs.
    return follower


def started_follower(connection: Connection, uid: str) -> JobFollower | None:
    """Return the follower of a job if this process has one that has loaded the history; else None."""
    with _lock:
        of_cluster = _followers.get(connection.client)
        follower = None if of_cluster is None else of_cluster.get(uid)
    return follower if follower is not None and follower.started else None


class JobFollower:
    """The current state of one job, updated by background threads. Thread-safe."""

    def __init__(self, connection: Connection, trainjob: KubeObject) -> None:
        self._connection = connection
        self._trainjob = trainjob
        self._namespace: str = trainjob["metadata"]["namespace"]
        self._name: str = trainjob["metadata"]["name"]
        self.uid: str = trainjob["metadata"]["uid"]
        self.record = Telemetry()
        self._series: Series | None = None
        self._lock = threading.RLock()
        self._pods: dict[str, KubeObject] = {}
        self._present_uids: set[str] = set()
        self._readers: dict[str, LogReader] = {}
        self.log = FollowedLog(connection.history, self.uid)
        self._has_final_pods = False
        self._deleted = False
        self._warning: kubernetes_reasons.WarningEvent | None = None
        self._hold: kueue.Hold | None = None
        self._explain_pause = EXPLAIN_AFTER
        self._next_explanation = time.monotonic() + EXPLAIN_AFTER
        self._subscribers: list[Callable[[], None]] = []
        self._finish_callbacks: list[Callable[[], None]] = []
        self.started = False
        self._starting = threading.Lock()
        self._had_holder = False
        self._holders: weakref.WeakSet[object] = weakref.WeakSet()
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._settled = threading.Condition(self._lock)
        client, namespace = connection.watcher, self._namespace
        self._job_informer = Informer(client, TRAINJOBS, namespace=namespace, fields=f"metadata.name={self._name}")
        self._pod_informer = Informer(client, PODS, namespace=namespace, labels=f"{JOBSET_NAME}={self._name}")

    def start(self) -> None:
        """Load the history of the job, then follow it. Does nothing if already started."""
        with self._starting:
            if self.started:
                return
            for frame in self._connection.history.frames(self.uid):
                self.record.add(frame)
            self.log.load()
            self.started = True
            self._job_informer.on_change(self._job_changed)
            self._job_informer.on_sync_change(self._notice_deleted_job)
            self._pod_informer.on_change(self._pod_changed)
            self._job_informer.start()
            self._pod_informer.start()
            threading.Thread(target=self._notify_changes, name=f"trainjob-{self._name}", daemon=True).start()

    def add_holder(self, holder: object) -> None:
        """Keep following at least as long as `holder` is alive."""
        self._had_holder = True
        self._holders.add(holder)
        # Wake the notification thread, which closes an unused follower.
        weakref.finalize(holder, self._changed.set).atexit = False

    def close(self) -> None:
        """Stop following."""
        self._closed.set()
        self._changed.set()
        self._job_informer.stop()
        self._pod_informer.stop()
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self.log.close()
            self._settled.notify_all()

    def trainjob(self) -> KubeObject:
        """Return the TrainJob as last seen."""
        with self._lock:
            return self._trainjob

    def snapshot(self) -> Snapshot:
        """Return the current state of the job with all details."""
        with self._lock:
            return derive_snapshot(
                self._trainjob,
                own_pods(self._trainjob, self._pods.values()),
                self.record,
                context=self._connection.name,
                deleted=self._deleted,
                warning=self._warning,
                log_error=self.log_error,
                hold=self._hold,
                log=self.log.buffer.tail(TAIL_LINES),
            )

    def series(self) -> Series:
        """Return the reported metrics as series for charts, which grow while the job runs."""
        from jupyter_trainjob.metrics.series import Series  # Imports NumPy, which only charts need.

        with self._lock:
            if self._series is None:
                self._series = Series(self.record, self._lock)
            return self._series

    def state(self) -> State:
        """Return only the state, which is cheaper than a snapshot."""
        with self._lock:
            pods = own_pods(self._trainjob, self._pods.values())
            return derive_state(self._trainjob, pods, deleted=self._deleted, hold=self._hold)

    @property
    def log_error(self) -> str:
        """Return why reading a log was given up; empty if all logs could be read."""
        with self._lock:
            return next((reader.sync_error for reader in self._readers.values() if reader.sync_error), "")

    def settled(self) -> bool:
        """Whether the job is over and its logs are read to the end."""
        with self._lock:
            return self._has_final_pods and all(reader.done for reader in self._readers.values())

    def wait(self, until: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until `until()` is true or the follower is closed; False if `timeout` seconds passed before."""
        with self._settled:
            return self._settled.wait_for(lambda: until() or self._closed.is_set(), timeout)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after changes, at most ten times a second; return a function that unsubscribes."""
        unsubscribe = self._register(callback, self._subscribers)
        self._changed.set()
        return unsubscribe

    def on_finished(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in each thread whose wait for the job has ended; return a function that unregisters it."""
        return self._register(callback, self._finish_callbacks)

    def _register(self, callback: Callable[[], None], callbacks: list[Callable[[], None]]) -> Callable[[], None]:
        with self._lock:
            callbacks.append(callback)

        def unregister() -> None:
            with self._lock:
                if callback in callbacks:
                    callbacks.remove(callback)

        return unregister

    def notify_finished(self) -> None:
        """Run the `on_finished` callbacks; called by a thread that has waited for the job."""
        with self._lock:
            callbacks = list(self._finish_callbacks)
        for callback in callbacks:
            callback()

    def wait_synced(self) -> bool:
        """Wait for the initial lists of the watches; False if the server did not answer within `SYNC_TIMEOUT`."""
        synced = self._job_informer.wait_synced(SYNC_TIMEOUT) and self._pod_informer.wait_synced(SYNC_TIMEOUT)
        self._notice_deleted_job()  # The informer's callback may not have run yet.
        return synced

    def _notice_deleted_job(self) -> None:
        """Mark the job as deleted if the first list of its watch lacks it, since there is no event for that."""
        if self._job_informer.synced and self._job_informer.get(self._name, self._namespace) is None:
            self.mark_deleted()

    def _job_changed(self, _old: KubeObject | None, new: KubeObject | None) -> None:
        with self._lock:
            if new is None or new["metadata"]["uid"] != self.uid:
                self._deleted = True
            else:
                self._trainjob = new
                if kueue.is_held(new):
                    self._next_explanation, self._explain_pause = 0.0, EXPLAIN_AFTER
                else:
                    self._hold = None
        self.notify_changed()

    def _pod_changed(self, old: KubeObject | None, new: KubeObject | None) -> None:
        pod = new or old
        if pod is None or str(pod["metadata"]["creationTimestamp"]) < self._trainjob["metadata"]["creationTimestamp"]:
            return
        uid = pod["metadata"]["uid"]
        with self._lock:
            self._pods[uid] = pod
            (self._present_uids.discard if new is None else self._present_uids.add)(uid)
            started = _pod_phase(pod) in (*ENDED_PHASES, "Running")
            if started and uid not in self._readers and not self._closed.is_set():
                if count := phases.restart_count([pod]):
                    self.add_line(pod, PodLogLine(phases.log_timestamp(pod), 0, f"── attempt {count + 1} ──".encode()))
                self._readers[uid] = LogReader(self, pod)
                self._readers[uid].start()
        self.notify_changed()

    def mark_deleted(self) -> None:
        """Mark the job as deleted, also after the follower has closed and no longer watches it."""
        with self._lock:
            if self._deleted:
                return
            self._deleted = True
            subscribers = list(self._subscribers) if self._closed.is_set() else []
        self.notify_changed()
        for callback in subscribers:
            callback()

    def has_final_log(self, pod_uid: str) -> bool:
        """Whether a pod is deleted or has ended, so that its log is final."""
        with self._lock:
            return pod_uid not in self._present_uids or _pod_phase(self._pods[pod_uid]) in ENDED_PHASES

    def add_line(self, pod: KubeObject, line: PodLogLine) -> None:
        """Add the next line that a reader has read from the log of `pod`."""
        with self._lock:
            if line.frame is not None:
                self.record.add(line.frame)
            self.log.add(pod["metadata"]["uid"], node_index(pod), line)
        self._changed.set()

    def present_pod_uids(self) -> set[str]:
        """Return the uids of the pods that exist now."""
        with self._lock:
            return set(self._present_uids)

    @property
    def connection(self) -> Connection:
        """Return the connection to the cluster of the job."""
        return self._connection

    @property
    def closed(self) -> threading.Event:
        """Return the event that is set when following ends."""
        return self._closed

    def notify_changed(self) -> None:
        """Notify waiting threads at once, and subscribers with the next notification."""
        with self._lock:
            self._settled.notify_all()
        self._changed.set()

    def _notify_changes(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(self._explain_pause if self._is_blocked() else None)
            self._changed.clear()
            try:
                ended = self._process_changes()
            except Exception:  # noqa: BLE001 - threads in `wait` depend on this thread
                _log.exception("following %s failed; trying again", self._name)
                ended = False
                self._changed.set()
            if ended:
                self.close()
                return
            self._closed.wait(NOTIFY_INTERVAL)

    def _process_changes(self) -> bool:
        """Process changes and call subscribers; return whether following is over."""
        if time.monotonic() > self._next_explanation and self._is_blocked():
            self._explain_block()
            self._next_explanation = time.monotonic() + self._explain_pause
            self._explain_pause = min(2 * self._explain_pause, MAX_EXPLAIN_INTERVAL)
        if not self._has_final_pods and self.state().finished:
            self._list_final_pods()
        settled = self.settled()
        self.log.save()
        with self._lock:
            self._settled.notify_all()
            subscribers = list(self._subscribers)
        for callback in subscribers:
            self._call_subscriber(callback)
        return settled or self._is_unused()

    def _call_subscriber(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - one subscriber must not stop the others
            _log.exception("a subscriber of %s failed", self._name)

    def _is_unused(self) -> bool:
        """Whether there is no user left; if so, unregister, so that `follow_job` creates a new follower."""
        with _lock:
            if not self._had_holder or self._holders or self.log.is_streamed or self._subscribers:
                return False
            _followers[self._connection.client].pop(self.uid, None)
            return True

    def _list_final_pods(self) -> None:
        """List the pods of the finished job, since their watch may lag behind the watch of the TrainJob."""
        labels = f"{JOBSET_NAME}={self._name}"
        try:
            pods = self._connection.watcher.list(PODS, namespace=self._namespace, labels=labels).items
        except errors.TrainJobError:
            self._changed.set()  # The server is unreachable: try again with the next notification.
            return
        for pod in pods:
            self._pod_changed(None, pod)
        with self._lock:
            self._has_final_pods = True

    def _is_blocked(self) -> bool:
        """Whether events may explain a wait: the job has no pod, a pod that does not start, or is held by Kueue."""
        with self._lock:
            pods = [self._pods[uid] for uid in self._present_uids]
            is_blocked = (
                not self._pods
                or any(kubernetes_reasons.is_starting_without_reason(pod) for pod in pods)
                or kueue.is_held(self._trainjob)
            )
            return is_blocked and not self._deleted

    def _explain_block(self) -> None:
        client, trainjob = self._connection.watcher, self.trainjob()
        try:
            if kueue.is_held(trainjob):
                hold = kueue.explain_holds(client, self._namespace, [trainjob]).get(self.uid)
                with self._lock:
                    self._hold = hold if kueue.is_held(self._trainjob) else None
                return
            warning = events.last_warning(client, trainjob)
        except errors.TrainJobError:
            return  # An explanation is optional; the watches report an unreachable server.
        if warning is not None:
            with self._lock:
                self._warning = warning


def _pod_phase(pod: KubeObject) -> str:
    return str((pod.get("status") or {}).get("phase") or "")
