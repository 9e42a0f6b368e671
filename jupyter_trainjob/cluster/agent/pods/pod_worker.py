"""Run one pod on this node, from its binding to its removal.

In: the pod from the informer, and its folder. Out: its containers' runs and its status in the API. Each pod has a
thread that waits for a change of the pod, the start or end of a run (`container`), or a timer. Then it observes all
containers, carries out what `pod_plan` decides, and writes the status if it has changed. All observations come from the
pod's folder, so that a new agent continues where a killed one stopped.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from jupyter_trainjob import errors
from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import PODS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.agent.containers import container_logs
from jupyter_trainjob.cluster.agent.containers.container_run import State
from jupyter_trainjob.cluster.agent.containers.preparation import SharedResources, prepare_pod
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.containers.shim_spec import DEFAULT_GRACE
from jupyter_trainjob.cluster.agent.pods import pod_plan, pod_status
from jupyter_trainjob.cluster.agent.pods.container import RETRY_SECONDS, AgentContext, ContainerRun
from jupyter_trainjob.cluster.agent.pods.container_observer import ContainerObserver
from jupyter_trainjob.cluster.agent.pods.crash_backoff import next_backoff, seconds_to_restart
from jupyter_trainjob.cluster.agent.pods.pod_events import PodEvents, full_name
from jupyter_trainjob.cluster.agent.pods.pod_plan import Plan, Problem, View
from jupyter_trainjob.cluster.agent.pods.pod_status import DEADLINE, Termination
from jupyter_trainjob.cluster.agent.pods.pod_support import find_unsupported
from jupyter_trainjob.cluster.agent.start_errors import FindObject

POLL_SECONDS = 0.5
"""Polling interval for states without an event: a starting shim of an earlier agent."""
TOLERANCE = 0.05
"""Seconds by which a new stop request must be earlier than the last one to be sent."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """A request to stop the pod by a `time.monotonic` time."""

    by: float
    force: bool = False
    verdict: Termination | None = None


class PodWorker:
    """Runs one pod in its own thread."""

    def __init__(self, context: AgentContext, pod: KubeObject) -> None:
        self.uid = str(pod["metadata"]["uid"])
        self._context = context
        self._client = context.host.client
        self._pod = pod
        self._sandbox = Sandbox(context.pods / self.uid)
        self._observer = ContainerObserver(self._sandbox)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._runs: dict[str, ContainerRun] = {}
        self._resources: SharedResources | None = None
        self._place_lock = threading.Lock()
        self._stop: Stop | None = None
        self._stop_requests: dict[str, tuple[int, float]] = {}
        self._stop_pending = False
        self._events = PodEvents(context.events, ())
        self._removed_from_api = False
        self._left = False
        self._served = False
        self._thread = threading.Thread(target=self._run, name=f"pod-{pod['metadata']['name']}", daemon=True)

    @property
    def pod(self) -> KubeObject:
        """Return the newest known version of the pod."""
        return self._pod

    def start(self) -> None:
        """Start the thread; a pod that is being deleted already is not started."""
        self.update(self._pod)
        self._thread.start()

    def update(self, pod: KubeObject) -> None:
        """Process a change of the pod; most are this worker's own status updates."""
        before = self._pod
        self._store(pod)
        if (before["spec"], before["metadata"].get("annotations")) != (pod["spec"], pod["metadata"].get("annotations")):
            self._wake.set()
        if pod["metadata"].get("deletionTimestamp"):
            seconds = pod["metadata"].get("deletionGracePeriodSeconds")
            self._begin_removal(DEFAULT_GRACE if seconds is None else float(seconds))

    def _store(self, pod: KubeObject) -> None:
        """Store the pod unless a newer version is known: the informer lags behind the worker's own writes."""
        with self._lock:
            if _version(pod) >= _version(self._pod):
                self._pod = pod

    def removed(self) -> None:
        """Process the removal of the pod from the API."""
        self._removed_from_api = True
        self._begin_removal(0.0)

    def detach(self) -> None:
        """Stop the worker without stopping the containers."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.give_up()
        self._wake.set()

    def _begin_removal(self, grace: float) -> None:
        with self._lock:
            first, served = not self._left, self._served
            self._left = True
            self._stop_within(grace)
        self._wake.set()
        if first and served:
            threading.Thread(target=self._clean_up, name=f"removal-{self.uid}", daemon=True).start()

    def _stop_within(self, grace: float, verdict: Termination | None = None) -> None:
        """Request the pod's stop within `grace` seconds, or by an earlier deadline; the first reason counts."""
        by, before = time.monotonic() + grace, self._stop
        if before is not None:
            by, verdict = min(by, before.by), before.verdict
        self._stop = Stop(by, grace <= 0 or (before is not None and before.force), verdict)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:  # noqa: BLE001 - the pod must end with a status
            _log.exception("pod %s: the agent failed", self._pod["metadata"]["name"])
            self._give_up()
        with self._lock:
            self._served = True
            worker_left = self._left
        if worker_left and not self._context.stopped.is_set():
            self._clean_up()

    def _serve(self) -> None:
        ended = (self._pod.get("status") or {}).get("phase") in (pod_status.SUCCEEDED, pod_status.FAILED)
        if ended or self._removed_from_api:
            with self._lock:
                self._stop_within(self._grace())
        else:
            self._observer.recover(self._pod)
        self._events = PodEvents(self._context.events, self._sandbox.all_runs())
        findings = find_unsupported(self._pod)
        if findings.refused:
            with self._lock:
                self._stop_within(self._grace(), Termination("UnsupportedPod", findings.refused))
        elif findings.ignored and self._events.nothing_started and not ended:
            self._events.record_ignored(self._pod, findings.ignored)
        while not self._context.stopped.is_set():
            self._wake.clear()
            views = self._observe()
            decision = self._decide(views)
            views = self._act(decision, views)
            finished = self._stop is not None and not any(view.alive for view in views.values())
            written = ended or self._write(self._status(decision, views, finished=finished))
            self._record_events(decision, views)
            if finished and written:
                return
            self._wake.wait(self._seconds_to_next_timer(decision, views, written=written))

    def _observe(self) -> dict[str, View]:
        """Return the state of each container, and adopt runs of an earlier agent."""
        views = {}
        for container in self._containers():
            name = container["name"]
            current = self._runs.get(name)
            view = self._observer.observe(container, current, self._pod)
            if view.alive and (current is None or current.done):
                self._begin(container, view.attempt, view.due)
            views[name] = view
        return views

    def _decide(self, views: Mapping[str, View]) -> Plan:
        """Return the plan; requests the pod's stop if it is refused, past its deadline, or over."""
        refused = next((run.refused for run in self._runs.values() if run.refused is not None), None)
        decision = pod_plan.decide(self._pod["spec"], views, self._context.clock())
        with self._lock:
            if self._stop is None:
                if refused is not None:
                    self._stop_within(self._grace(), Termination(refused.reason, refused.message))
                elif self._deadline() <= 0:
                    self._stop_within(self._grace(), DEADLINE)
                elif decision.finished:
                    self._stop_within(self._grace())
            return decision if self._stop is None else Plan(finished=True)

    def _act(self, decision: Plan, views: dict[str, View]) -> dict[str, View]:
        """Start and stop containers; return their new states."""
        stop = self._stop
        if stop is not None:
            for run in self._runs.values():
                run.give_up()
            seconds_left = stop.by - time.monotonic()
            asks = pod_plan.stopping(self._pod["spec"], views, grace_left=seconds_left, force=stop.force)
            delivered = [self._request_stop(name, views[name], grace) for name, grace in asks.items()]
            self._stop_pending = not all(delivered)
            return views
        for container in self._containers():
            name = container["name"]
            if name in decision.start:
                views[name] = self._start(container, views[name])
        return views

    def _start(self, container: KubeObject, view: View) -> View:
        if view.end is None:
            started = replace(view, starting=True)
        else:
            due = next_backoff(view.due, view.end.ran)
            started = View(attempt=view.attempt + 1, starting=True, last=view.end, due=due)
            self._forget_runs_before(container["name"], view.attempt)
        self._begin(container, started.attempt, started.due)
        return started

    def _begin(self, container: KubeObject, attempt: int, due: float) -> None:
        name = container["name"]
        run = ContainerRun(
            self._context,
            self._pod,
            container,
            self._sandbox.run(name, attempt),
            due=due,
            shared_resources=self._shared_resources,
            changed=self._wake.set,
        )
        with self._lock:
            self._runs[name] = run
        run.start()

    def _forget_runs_before(self, name: str, attempt: int) -> None:
        for run in self._sandbox.runs(name):
            if run.attempt < attempt:
                run.wait()
                self._archive_log(container_logs.all_lines(run))
                run.remove()

    def _shared_resources(self, look_up: FindObject) -> SharedResources:
        """Return what the containers share, created at the first call."""
        with self._place_lock:
            if self._resources is None:
                self._resources = prepare_pod(self._pod, self._sandbox, self._context.host, look_up)
            return self._resources

    def _request_stop(self, name: str, view: View, grace: float) -> bool:
        """Send a stop request to a container unless sent already; return whether its shim received it."""
        by = time.monotonic() + grace
        attempt, before = self._stop_requests.get(name, (-1, 0.0))
        if attempt == view.attempt and by > before - TOLERANCE:
            return True
        delivered = self._sandbox.run(name, view.attempt).request_stop(grace)
        if delivered:
            self._stop_requests[name] = (view.attempt, by)
        return delivered

    def _status(self, decision: Plan, views: Mapping[str, View], *, finished: bool) -> KubeObject:
        shown = dict(views)
        for name in decision.later:
            shown[name] = replace(shown[name], problem=self._crash_loop(name, shown[name]))
        extra = {run.condition for run in self._runs.values() if run.condition is not None and run.started}
        verdict = self._stop.verdict if self._stop is not None else None
        return pod_status.pod_status(self._pod, shown, now=timestamp(), finished=finished, verdict=verdict, extra=extra)

    def _crash_loop(self, name: str, view: View) -> Problem:
        seconds = int(seconds_to_restart(view.due, 0.0))
        container = f"restarting failed container={name} pod={full_name(self._pod)}"
        return Problem("CrashLoopBackOff", f"back-off {_duration(seconds)} {container}")

    def _write(self, document: KubeObject) -> bool:
        """Write the pod's status if it has changed; return False to try again."""
        if self._removed_from_api or self._context.stopped.is_set():
            return True
        before = self._pod.get("status") or {}
        if all(before.get(key) == value for key, value in document.items()):
            return True
        if "containerStatuses" not in before and pod_status.is_only_starting(document):
            return True
        metadata = self._pod["metadata"]
        patch = {"metadata": {"uid": self.uid}, "status": document}
        try:
            self._store(
                self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
            )
        except (errors.NotFound, errors.Conflict):
            self._removed_from_api = True
        except errors.Invalid:
            _log.exception("pod %s: the API refuses its status", metadata["name"])
        except errors.TrainJobError as error:
            _log.warning("pod %s: writing its status: %s; trying again", metadata["name"], error)
            return False
        return True

    def _record_events(self, decision: Plan, views: Mapping[str, View]) -> None:
        """Record new events."""
        if self._removed_from_api:
            return
        for container in self._containers():
            self._events.record_started(self._pod, container, views[container["name"]])
        self._events.record_back_off(self._pod, views, decision.later)
        self._events.record_stopping(self._pod, {name: attempt for name, (attempt, _) in self._stop_requests.items()})
        self._events.record_ended(self._pod, self._stop.verdict if self._stop is not None else None)

    def _seconds_to_next_timer(self, decision: Plan, views: Mapping[str, View], *, written: bool) -> float | None:
        """Return the seconds until the next timer, None if there is none."""
        waits = [*decision.later.values(), *([] if written else [RETRY_SECONDS])]
        stop = self._stop
        if stop is None:
            waits.append(max(0.0, self._deadline()))
        elif (seconds_left := stop.by - time.monotonic()) > 0:
            waits.append(seconds_left)
        adopted = any(view.starting and self._runs[name].started for name, view in views.items() if name in self._runs)
        if adopted or (stop is not None and self._stop_pending):
            waits.append(POLL_SECONDS)
        soonest = min(waits, default=math.inf)
        return None if soonest == math.inf else soonest

    def _clean_up(self) -> None:
        """Archive the pod's log, and delete the pod from the API and its folder."""
        self._kill()
        for run in self._runs.values():
            run.join()
        runs = self._sandbox.all_runs()
        for one in runs:
            one.wait()
            one.declare_lost()
        self._archive_log(line for one in runs for line in container_logs.all_lines(one))
        metadata = self._pod["metadata"]
        while not self._removed_from_api and not self._context.stopped.is_set():
            try:
                self._client.delete(
                    PODS, metadata["name"], namespace=metadata["namespace"], grace_seconds=0, uid=self.uid
                )
            except (errors.NotFound, errors.Conflict):
                pass
            except errors.TrainJobError as error:
                _log.warning("pod %s: deleting it: %s; trying again", metadata["name"], error)
                self._context.stopped.wait(RETRY_SECONDS)
                continue
            break
        if self._context.stopped.is_set():
            return
        self._sandbox.remove()
        self._context.forget(self.uid)

    def _archive_log(self, lines: Iterator[bytes]) -> None:
        if self._context.keep is None or not self._sandbox.all_runs():
            return
        try:
            self._context.keep.keep(self._pod, lines)
        except Exception:  # noqa: BLE001 - a failing archive must not prevent the removal
            _log.exception("pod %s: its log could not be kept", self._pod["metadata"]["name"])

    def _give_up(self) -> None:
        self._kill()
        verdict = Termination("AgentError", "the agent failed to run this pod; the daemon's log says why")
        views = {one["name"]: View() for one in self._containers()}
        self._write(pod_status.pod_status(self._pod, views, now=timestamp(), finished=True, verdict=verdict))

    def _kill(self) -> None:
        """Stop all containers, also after a failure of the thread."""
        for run in self._runs.values():
            run.give_up()
        for one in self._sandbox.all_runs():
            if one.state() is State.RUNNING:
                one.request_stop(0.0)

    def _containers(self) -> list[KubeObject]:
        spec = self._pod["spec"]
        return [*(spec.get("initContainers") or ()), *spec["containers"]]

    def _grace(self) -> float:
        return float(self._pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    def _deadline(self) -> float:
        """Return the seconds until the pod's deadline."""
        seconds = self._pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return math.inf
        began = (self._pod.get("status") or {}).get("startTime")
        return float(seconds) - (self._context.clock() - times.unix_seconds(began) if began else 0.0)


def _version(pod: KubeObject) -> int:
    return int(pod["metadata"].get("resourceVersion") or 0)


def _duration(seconds: int) -> str:
    """Return seconds in the format of Go's time.Duration."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
