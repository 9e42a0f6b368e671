"""One pod on this node, from its binding to its removal.

In: the pod as the informer shows it. Out: a program under a shim, its status in the API, and at the end an empty place.
Each pod has a thread that mostly sleeps in the kernel: first on the pipe of a shim that starts, then on the lock of a
shim that runs. What the thread does next follows from the pod's folder alone (`Sandbox.state`), so a new agent goes on
where a killed one was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, Object
from jupyter_trainjob.cluster.agent import logs, status
from jupyter_trainjob.cluster.agent.changes import Changes
from jupyter_trainjob.cluster.agent.launch import Launched, launch
from jupyter_trainjob.cluster.agent.prepare import Host, Prepared, prepare
from jupyter_trainjob.cluster.agent.sandbox import Sandbox, State
from jupyter_trainjob.cluster.agent.waiting import NotYet, Refused
from jupyter_trainjob.cluster.agent.warm import WarmPool
from jupyter_trainjob.controller.events import WARNING, Recorder
from jupyter_trainjob.kube.client import Watch

DEFAULT_GRACE = 30.0
RETRY_SECONDS = 1.0
KILLED = 137

_log = logging.getLogger(__name__)


class PodKeeper(Protocol):
    """Who wants a pod's log before its folder goes."""

    def keep(self, pod: Object, lines: Iterable[bytes]) -> None:
        """Keep the time-stamped `lines` of `pod`."""


@dataclass(frozen=True)
class Agency:
    """What a pod's thread needs of its agent."""

    pods: Path
    host: Host
    events: Recorder
    pool: WarmPool
    changes: Changes
    keep: PodKeeper | None
    stopped: threading.Event
    forget: Callable[[str], None]


class PodWorker:
    """Looks after one pod."""

    def __init__(self, agency: Agency, pod: Object) -> None:
        self.uid = str(pod["metadata"]["uid"])
        self._agency = agency
        self._client = agency.host.client
        self._pod = pod
        self._box = Sandbox(agency.pods / self.uid)
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._gone = False
        self._served = False
        self._watch: Watch | None = None
        self._thread = threading.Thread(target=self._run, name=f"pod-{pod['metadata']['name']}", daemon=True)

    @property
    def pod(self) -> Object:
        """Return the pod as it was last seen."""
        return self._pod

    def start(self) -> None:
        """Begin to look after the pod."""
        self._thread.start()
        self.update(self._pod)

    def update(self, pod: Object) -> None:
        """Take notice of a change."""
        self._pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            seconds = pod["metadata"].get("deletionGracePeriodSeconds")
            self._leave(DEFAULT_GRACE if seconds is None else float(seconds))

    def removed(self) -> None:
        """Take notice that the API has no such pod any more."""
        self._gone = True
        self._leave(0.0)

    def detach(self) -> None:
        """Stop waiting for anything of the API: the agent ends, the pod goes on."""
        with self._lock:
            watch = self._watch
        if watch is not None:
            watch.close()

    def _leave(self, grace: float) -> None:
        with self._lock:
            first, served = not self._left.is_set(), self._served
            self._left.set()
            watch = self._watch
            # Once the program is over its folder may be going; nothing must be written into it any more.
            if not served and self._box.folder.exists():
                self._box.ask_stop(grace)
        if watch is not None:
            watch.close()
        self._agency.pool.wake()
        if first and served:
            threading.Thread(target=self._clean_up, name=f"removal-{self.uid}", daemon=True).start()

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:  # noqa: BLE001 - one pod's thread must end with a status, whatever happened
            _log.exception("pod %s: the agent failed", self._pod["metadata"]["name"])
            self._fail("AgentError", "the agent failed to run this pod; the daemon's log says why")
        with self._lock:
            self._served = True
            left = self._left.is_set()
        if left and not self._agency.stopped.is_set():
            self._clean_up()

    def _serve(self) -> None:
        state = self._box.state()
        launched: Launched | None = None
        if state is State.NEW:
            if self._ended_before():
                return
            launched = self._start_program()
            if launched is None:
                return
        elif state is State.RUNNING:
            if self._left.is_set():
                self.update(self._pod)
            pids = self._box.pids()
            self._write(lambda: status.running(self._pod, started=(pids or {}).get("started", ""), now=status.now()))
        self._box.wait()
        if launched is not None:
            launched.reap()
        self._agency.changes.wake(self._box.log)
        if not self._agency.stopped.is_set() and not self._ended_before():
            self._report_end()

    def _ended_before(self) -> bool:
        return (self._pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")

    def _start_program(self) -> Launched | None:
        self._box.create(self._pod)
        prepared = self._prepare()
        if prepared is None:
            return None
        warm = self._agency.pool.warm(
            prepared.program, prepared.document, error_file=self._box.folder / "error.json", cancelled=self._is_over
        )
        if self._is_over():
            return None
        launched = launch(self._box, warm.document, warm.fork) if warm else launch(self._box, prepared.document)
        started = launched.started()
        if self._left.is_set():
            self.update(self._pod)  # What asked the shim to stop may have come before it listened.
            if self._gone:
                self._box.ask_stop(0.0)
        if started is not None:
            self._write(
                lambda: status.running(
                    self._pod, started=started["started"], now=status.now(), extra=prepared.condition
                )
            )
        return launched

    def _prepare(self) -> Prepared | None:
        """Return what to run, however long it takes until it is there; None if the pod is refused or leaves."""
        seen: dict[tuple[str, str], str] = {}
        said = ""
        while not self._is_over():
            try:
                return prepare(self._pod, self._box, self._agency.host)
            except Refused as refusal:  # noqa: PERF203
                self._fail(refusal.reason, str(refusal))
                return None
            except NotYet as missing:
                if str(missing) != said:
                    said = str(missing)
                    self._say_waiting(missing)
                self._wait_for(missing, seen)
        return None

    def _say_waiting(self, missing: NotYet) -> None:
        message = str(missing)
        reason = "ContainerCreating" if missing.reason == "FailedMount" else missing.reason
        self._write(lambda: status.waiting(self._pod, reason=reason, message=message, now=status.now()))
        self._agency.events.record(self._pod, kind=WARNING, reason=missing.reason, message=message)

    def _wait_for(self, missing: NotYet, seen: dict[tuple[str, str], str]) -> None:
        """Return when the missing object may have come; `seen` holds the versions that were looked at."""
        namespace, fields = self._pod["metadata"]["namespace"], f"metadata.name={missing.name}"
        key = (missing.resource.kind, missing.name)
        try:
            found = self._client.list(missing.resource, namespace=namespace, fields=fields)
            version = found.items[0]["metadata"]["resourceVersion"] if found.items else ""
            if version != seen.get(key, ""):
                seen[key] = version
                return
            watch = self._client.watch(
                missing.resource, namespace=namespace, fields=fields, resource_version=found.resource_version
            )
            with self._lock:
                self._watch = watch
            if not self._is_over():
                for event in watch:
                    if event.type in ("ADDED", "MODIFIED"):
                        return
        except errors.TrainJobError as error:
            _log.info("waiting for %s %s: %s", missing.resource.kind, missing.name, error)
            self._left.wait(RETRY_SECONDS)
        finally:
            with self._lock:
                watch_now, self._watch = self._watch, None
            if watch_now is not None:
                watch_now.close()

    def _report_end(self) -> None:
        end = self._box.exit()
        if end is not None:
            message = self._box.termination_message()
            self._write(lambda: status.ended(self._pod, end=end, message=message, now=status.now()))
            return
        self._box.kill_orphans()
        pids = self._box.pids() or {}
        message = (
            "the process that looked after this pod's program was killed from outside, so its exit code is unknown; "
            "the program was ended. On a computer that is short of memory the kernel may have done this."
        )
        finished = shim_time()
        lost = {"code": KILLED, "reason": "ShimLost", "started": pids.get("started", finished), "finished": finished}
        self._fail("ShimLost", message, lost)

    def _fail(self, reason: str, message: str, end: Object | None = None) -> None:
        self._write(lambda: status.failed(self._pod, reason=reason, message=message, now=status.now(), end=end))
        self._agency.events.record(self._pod, kind=WARNING, reason=reason, message=message)

    def _write(self, make: Callable[[], Object]) -> None:
        """Write the pod's status, however often that takes, unless the pod is gone."""
        metadata = self._pod["metadata"]
        while not self._gone and not self._agency.stopped.is_set():
            patch = {"metadata": {"uid": self.uid}, "status": make()}
            try:
                self._pod = self._client.patch(
                    PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status"
                )
            except (errors.NotFound, errors.Conflict):
                self._gone = True
            except errors.Invalid:
                _log.exception("pod %s: the API refuses its status", metadata["name"])
            except errors.TrainJobError as error:
                _log.warning("pod %s: writing its status: %s; trying again", metadata["name"], error)
                self._agency.stopped.wait(RETRY_SECONDS)
                continue
            return

    def _clean_up(self) -> None:
        """Take the pod out of the API and off the disk; its log goes to who keeps it."""
        self._box.wait()
        if self._box.state() is State.LOST:
            self._box.kill_orphans()
        if self._agency.keep is not None and self._box.pids() is not None:
            try:
                self._agency.keep.keep(self._pod, logs.everything(self._box))
            except Exception:  # noqa: BLE001 - a keeper that fails must not keep the pod
                _log.exception("pod %s: its log could not be kept", self._pod["metadata"]["name"])
        metadata = self._pod["metadata"]
        while not self._gone and not self._agency.stopped.is_set():
            try:
                self._client.delete(
                    PODS, metadata["name"], namespace=metadata["namespace"], grace_seconds=0, uid=self.uid
                )
            except (errors.NotFound, errors.Conflict):
                pass
            except errors.TrainJobError as error:
                _log.warning("pod %s: deleting it: %s; trying again", metadata["name"], error)
                self._agency.stopped.wait(RETRY_SECONDS)
                continue
            break
        if self._agency.stopped.is_set():
            return
        self._box.remove()
        self._agency.forget(self.uid)

    def _is_over(self) -> bool:
        return self._left.is_set() or self._agency.stopped.is_set()


def shim_time() -> str:
    """Return now as the shim writes it."""
    return logs.normal(status.now())
