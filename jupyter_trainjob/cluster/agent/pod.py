"""One pod on this node, from its binding to its removal.

In: the pod as the informer shows it, and its folder. Out: its containers' runs, its status in the API, and at the end
an empty place. Each pod has a thread that sleeps until something happens: the API says something, a run has begun or
ended (`container`), or a time has come. Then it looks at all containers, has `plan` decide, acts, and writes the status
if it is another. What it sees follows from the pod's folder alone, so a new agent goes on where a killed one was.
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
from jupyter_trainjob.api.resources import PODS, Object
from jupyter_trainjob.cluster.agent import logs, plan, status
from jupyter_trainjob.cluster.agent.backoff import following, pause
from jupyter_trainjob.cluster.agent.container import RETRY_SECONDS, Agency, ContainerRun
from jupyter_trainjob.cluster.agent.plan import Plan, Problem, View
from jupyter_trainjob.cluster.agent.prepare import Place, lay_out
from jupyter_trainjob.cluster.agent.profile import look
from jupyter_trainjob.cluster.agent.program import DEFAULT_GRACE
from jupyter_trainjob.cluster.agent.run import State
from jupyter_trainjob.cluster.agent.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.status import DEADLINE, Verdict
from jupyter_trainjob.cluster.agent.teller import Teller, full_name
from jupyter_trainjob.cluster.agent.views import Lookout
from jupyter_trainjob.cluster.agent.waiting import LookUp

LOOK_AGAIN_SECONDS = 0.5
"""How soon to look again at what has no event: a shim of an earlier agent that is not yet up."""
TOLERANCE = 0.05
"""By how much a request to end must come sooner than an earlier one to be made again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """That the pod is to end, and by when (`time.monotonic`)."""

    by: float
    force: bool = False
    verdict: Verdict | None = None


class PodWorker:
    """Looks after one pod."""

    def __init__(self, agency: Agency, pod: Object) -> None:
        self.uid = str(pod["metadata"]["uid"])
        self._agency = agency
        self._client = agency.host.client
        self._pod = pod
        self._box = Sandbox(agency.pods / self.uid)
        self._lookout = Lookout(self._box)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._runs: dict[str, ContainerRun] = {}
        self._place: Place | None = None
        self._place_lock = threading.Lock()
        self._stop: Stop | None = None
        self._asked: dict[str, tuple[int, float]] = {}
        self._unheard = False
        self._teller = Teller(agency.events, ())
        self._gone = False
        self._left = False
        self._served = False
        self._thread = threading.Thread(target=self._run, name=f"pod-{pod['metadata']['name']}", daemon=True)

    @property
    def pod(self) -> Object:
        """Return the pod as it was last seen."""
        return self._pod

    def start(self) -> None:
        """Begin to look after the pod; one that is deleted already does not start."""
        self.update(self._pod)
        self._thread.start()

    def update(self, pod: Object) -> None:
        """Take notice of a change; most are our own of the status."""
        before = self._pod
        self._take(pod)
        if (before["spec"], before["metadata"].get("annotations")) != (pod["spec"], pod["metadata"].get("annotations")):
            self._wake.set()
        if pod["metadata"].get("deletionTimestamp"):
            seconds = pod["metadata"].get("deletionGracePeriodSeconds")
            self._leave(DEFAULT_GRACE if seconds is None else float(seconds))

    def _take(self, pod: Object) -> None:
        """Know the pod as it is here, unless a newer state is known: the informer lags behind our own writes."""
        with self._lock:
            if _version(pod) >= _version(self._pod):
                self._pod = pod

    def removed(self) -> None:
        """Take notice that the API has no such pod any more."""
        self._gone = True
        self._leave(0.0)

    def detach(self) -> None:
        """Stop waiting for anything of the API: the agent ends, the pod goes on."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.leave()
        self._wake.set()

    def _leave(self, grace: float) -> None:
        with self._lock:
            first, served = not self._left, self._served
            self._left = True
            self._end(grace)
        self._wake.set()
        if first and served:
            threading.Thread(target=self._clean_up, name=f"removal-{self.uid}", daemon=True).start()

    def _end(self, grace: float, verdict: Verdict | None = None) -> None:
        """Have the pod end within `grace` seconds, or sooner if that was said before; the first verdict counts."""
        by, before = time.monotonic() + grace, self._stop
        if before is not None:
            by, verdict = min(by, before.by), before.verdict
        self._stop = Stop(by, grace <= 0 or (before is not None and before.force), verdict)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:  # noqa: BLE001 - one pod's thread must end with a status, whatever happened
            _log.exception("pod %s: the agent failed", self._pod["metadata"]["name"])
            self._give_up()
        with self._lock:
            self._served = True
            left = self._left
        if left and not self._agency.stopped.is_set():
            self._clean_up()

    def _serve(self) -> None:
        ended = (self._pod.get("status") or {}).get("phase") in (status.SUCCEEDED, status.FAILED)
        if ended or self._gone:
            with self._lock:
                self._end(self._grace())
        else:
            self._lookout.recover(self._pod)
        self._teller = Teller(self._agency.events, self._box.all_runs())
        findings = look(self._pod)
        if findings.refused:
            with self._lock:
                self._end(self._grace(), Verdict("UnsupportedPod", findings.refused))
        elif findings.ignored and self._teller.new and not ended:
            self._teller.ignored(self._pod, findings.ignored)
        while not self._agency.stopped.is_set():
            self._wake.clear()
            views = self._look()
            decision = self._decide(views)
            views = self._act(decision, views)
            over = self._stop is not None and not any(view.alive for view in views.values())
            written = ended or self._write(self._status(decision, views, over=over))
            self._tell(decision, views)
            if over and written:
                return
            self._wake.wait(self._pause(decision, views, written=written))

    def _look(self) -> dict[str, View]:
        """Return what is seen of each container; runs that an earlier agent began are waited for from now on."""
        views = {}
        for container in self._containers():
            name = container["name"]
            current = self._runs.get(name)
            view = self._lookout.view(container, current, self._pod)
            if view.alive and (current is None or current.done):
                self._begin(container, view.attempt, view.due)
            views[name] = view
        return views

    def _decide(self, views: Mapping[str, View]) -> Plan:
        """Return what to do; a pod that has to end for a reason of its own is told so here."""
        refused = next((run.refused for run in self._runs.values() if run.refused is not None), None)
        decision = plan.decide(self._pod["spec"], views, self._agency.clock())
        with self._lock:
            if self._stop is None:
                if refused is not None:
                    self._end(self._grace(), Verdict(refused.reason, refused.message))
                elif self._deadline() <= 0:
                    self._end(self._grace(), DEADLINE)
                elif decision.over:
                    self._end(self._grace())
            return decision if self._stop is None else Plan(over=True)

    def _act(self, decision: Plan, views: dict[str, View]) -> dict[str, View]:
        """Start and stop containers; return what is seen of them then."""
        stop = self._stop
        if stop is not None:
            for run in self._runs.values():
                run.leave()
            left = stop.by - time.monotonic()
            asks = plan.stopping(self._pod["spec"], views, left=left, force=stop.force)
            heard = [self._ask(name, views[name], grace) for name, grace in asks.items()]
            self._unheard = not all(heard)
            return views
        for container in self._containers():
            name = container["name"]
            if name in decision.start:
                views[name] = self._start(container, views[name])
        return views

    def _start(self, container: Object, view: View) -> View:
        if view.end is None:
            started = replace(view, starting=True)
        else:
            due = following(view.due, view.end.ran)
            started = View(attempt=view.attempt + 1, starting=True, last=view.end, due=due)
            self._forget_runs_before(container["name"], view.attempt)
        self._begin(container, started.attempt, started.due)
        return started

    def _begin(self, container: Object, attempt: int, due: float) -> None:
        name = container["name"]
        run = ContainerRun(
            self._agency,
            self._pod,
            container,
            self._box.run(name, attempt),
            due=due,
            place=self._shared,
            changed=self._wake.set,
        )
        with self._lock:
            self._runs[name] = run
        run.start()

    def _forget_runs_before(self, name: str, attempt: int) -> None:
        for run in self._box.runs(name):
            if run.attempt < attempt:
                run.wait()
                self._keep(logs.everything(run))
                run.remove()

    def _shared(self, look_up: LookUp) -> Place:
        """Return what the containers share; the first one that asks makes it."""
        with self._place_lock:
            if self._place is None:
                self._place = lay_out(self._pod, self._box, self._agency.host, look_up)
            return self._place

    def _ask(self, name: str, view: View, grace: float) -> bool:
        """Ask a container to end, unless it knows that already; return whether it has heard."""
        by = time.monotonic() + grace
        attempt, before = self._asked.get(name, (-1, 0.0))
        if attempt == view.attempt and by > before - TOLERANCE:
            return True
        heard = self._box.run(name, view.attempt).ask_stop(grace)
        if heard:
            self._asked[name] = (view.attempt, by)
        return heard

    def _status(self, decision: Plan, views: Mapping[str, View], *, over: bool) -> Object:
        shown = dict(views)
        for name in decision.later:
            shown[name] = replace(shown[name], problem=self._crash_loop(name, shown[name]))
        extra = {run.condition for run in self._runs.values() if run.condition is not None and run.started}
        verdict = self._stop.verdict if self._stop is not None else None
        return status.of_pod(self._pod, shown, now=status.now(), over=over, verdict=verdict, extra=extra)

    def _crash_loop(self, name: str, view: View) -> Problem:
        seconds = int(pause(view.due, 0.0))
        what = f"restarting failed container={name} pod={full_name(self._pod)}"
        return Problem("CrashLoopBackOff", f"back-off {_duration(seconds)} {what}")

    def _write(self, document: Object) -> bool:
        """Write the pod's status unless it says so already; False: that has to be tried again."""
        if self._gone or self._agency.stopped.is_set():
            return True
        before = self._pod.get("status") or {}
        if all(before.get(key) == value for key, value in document.items()):
            return True
        if "containerStatuses" not in before and status.is_only_starting(document):
            return True
        metadata = self._pod["metadata"]
        patch = {"metadata": {"uid": self.uid}, "status": document}
        try:
            self._take(
                self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
            )
        except (errors.NotFound, errors.Conflict):
            self._gone = True
        except errors.Invalid:
            _log.exception("pod %s: the API refuses its status", metadata["name"])
        except errors.TrainJobError as error:
            _log.warning("pod %s: writing its status: %s; trying again", metadata["name"], error)
            return False
        return True

    def _tell(self, decision: Plan, views: Mapping[str, View]) -> None:
        """Write the events of what has happened since."""
        if self._gone:
            return
        for container in self._containers():
            self._teller.started(self._pod, container, views[container["name"]])
        self._teller.held_back(self._pod, views, decision.later)
        self._teller.stopped(self._pod, {name: attempt for name, (attempt, _) in self._asked.items()})
        self._teller.ended(self._pod, self._stop.verdict if self._stop is not None else None)

    def _pause(self, decision: Plan, views: Mapping[str, View], *, written: bool) -> float | None:
        """Return after how long to look again if nothing happens; None: it need not."""
        waits = [*decision.later.values(), *([] if written else [RETRY_SECONDS])]
        stop = self._stop
        if stop is None:
            waits.append(max(0.0, self._deadline()))
        elif (left := stop.by - time.monotonic()) > 0:
            waits.append(left)
        adopted = any(view.starting and self._runs[name].started for name, view in views.items() if name in self._runs)
        if adopted or (stop is not None and self._unheard):
            waits.append(LOOK_AGAIN_SECONDS)
        soonest = min(waits, default=math.inf)
        return None if soonest == math.inf else soonest

    def _clean_up(self) -> None:
        """Take the pod out of the API and off the disk; its log goes to who keeps it."""
        self._kill()
        for run in self._runs.values():
            run.join()
        runs = self._box.all_runs()
        for one in runs:
            one.wait()
            one.declare_lost()
        self._keep(line for one in runs for line in logs.everything(one))
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

    def _keep(self, lines: Iterator[bytes]) -> None:
        if self._agency.keep is None or not self._box.all_runs():
            return
        try:
            self._agency.keep.keep(self._pod, lines)
        except Exception:  # noqa: BLE001 - a keeper that fails must not keep the pod
            _log.exception("pod %s: its log could not be kept", self._pod["metadata"]["name"])

    def _give_up(self) -> None:
        self._kill()
        verdict = Verdict("AgentError", "the agent failed to run this pod; the daemon's log says why")
        views = {one["name"]: View() for one in self._containers()}
        self._write(status.of_pod(self._pod, views, now=status.now(), over=True, verdict=verdict))

    def _kill(self) -> None:
        """End what a thread that failed has left running."""
        for run in self._runs.values():
            run.leave()
        for one in self._box.all_runs():
            if one.state() is State.RUNNING:
                one.ask_stop(0.0)

    def _containers(self) -> list[Object]:
        spec = self._pod["spec"]
        return [*(spec.get("initContainers") or ()), *spec["containers"]]

    def _grace(self) -> float:
        return float(self._pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE))

    def _deadline(self) -> float:
        """Return how many seconds the pod may still be active."""
        seconds = self._pod["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return math.inf
        began = (self._pod.get("status") or {}).get("startTime")
        return float(seconds) - (self._agency.clock() - times.seconds(began) if began else 0.0)


def _version(pod: Object) -> int:
    return int(pod["metadata"].get("resourceVersion") or 0)


def _duration(seconds: int) -> str:
    """Return seconds as Go writes a duration."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
