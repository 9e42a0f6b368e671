"""The scheduler: pods without a node get one. In a real cluster this is kube-scheduler, with coscheduling's plugin.

A change that can lead to a binding leads to one pass over all pods that wait: `queue` says in which order they get
their turn, `cycle` and `placement` decide, and here the pods are bound, and told why they wait. What is not told in
this pass, because they are many, is told in the next: a pod that can run never waits for words about those that cannot.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import NODES, PODGROUPS, PODS, Object
from jupyter_trainjob.cluster import cycle, placement, queue
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.podcache import PodCache, Snapshot, Waiting
from jupyter_trainjob.controller.events import NORMAL, WARNING, Recorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.transport import Request
from jupyter_trainjob.kube.workqueue import Key, WorkQueue

COMPONENT: Final = "default-scheduler"
RETRY_SECONDS: Final = 1.0
TOLD_IN_A_PASS: Final = 100
LONGEST_SILENCE: Final = 30.0
"""So much later at most is told what changes in the reason of a pod's waiting: many pods make many words."""

_PASS: Final[Key] = ("", "pass")
"""The only key: there is nothing smaller to reconcile than all pods that wait."""
_GATED: Final = ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")

_log = logging.getLogger(__name__)


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the scheduler, not started."""
    informers = informers or Informers(client)
    nodes, pods, groups = informers.of(NODES), informers.of(PODS), informers.of(PODGROUPS)
    scheduler = Scheduler(client, nodes=nodes, groups=groups, recorder=Recorder(client, controller=COMPONENT))
    wanted = WorkQueue()

    def pod_changed(old: Object | None, new: Object | None) -> None:
        if scheduler.cache.see(old, new):
            wanted.add(_PASS)

    def group_changed(old: Object | None, new: Object | None) -> None:
        if old is None or new is None or old.get("spec") != new.get("spec"):
            wanted.add(_PASS)

    made = Controller("scheduler", scheduler, queue=wanted)
    made.watch(nodes, lambda _: (_PASS,))
    for informer, changed in ((pods, pod_changed), (groups, group_changed)):
        informer.on_change(changed)
        made.watch(informer, lambda _: ())
    return made


class _Told(NamedTuple):
    reason: str
    message: str
    at: float


class Scheduler:
    """Binds the pods that wait. `cache` is to be told of every change of a pod."""

    def __init__(
        self,
        client: Client,
        *,
        nodes: Informer,
        groups: Informer,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cache = PodCache()
        self._client = client
        self._nodes = nodes
        self._groups = groups
        self._recorder = recorder
        self._clock = clock
        self._told: dict[str, _Told] = {}
        """What was told to the pods that wait, by uid."""

    def reconcile(self, namespace: str, name: str) -> float | None:  # noqa: ARG002 - there is only one key
        """Give a node to every pod that waits and fits, and a reason to the others."""
        seen = self.cache.snapshot()
        if not seen.waiting:
            self._told.clear()
            return None
        now = self._clock()
        groups = {key: group for key in seen.counts if (group := self._groups.get(key[1], key[0])) is not None}
        units = queue.units(seen.waiting, groups, seen.counts, now=now)
        outcome = self._decide(units, seen)
        done = [*map(self._bind, outcome.placed), *map(self._end, outcome.ended)]
        reasons = [(pod, *_GATED) for pod in seen.waiting if pod.gated]
        reasons += [(left.pod, "Unschedulable", left.why) for left in outcome.left]
        again = [unit.changes_in for unit in units if unit.changes_in is not None]
        again += [] if all(done) else [RETRY_SECONDS]
        silent = self._tell(reasons, now)
        return min([*again, silent] if silent is not None else again, default=None)

    def _decide(self, units: Iterable[queue.Unit], seen: Snapshot) -> cycle.Outcome:
        nodes = self._nodes.list()
        rooms = placement.rooms(nodes, ((pod.node, pod.needs) for pod in seen.bound))
        shares = queue.Shares(queue.total_of(nodes), ((pod.namespace, pod.needs) for pod in seen.bound))
        return cycle.run(units, rooms, shares, seen.bound)

    def _bind(self, placed: cycle.Placed) -> bool:
        """Bind a pod; one that fails does not keep those behind it waiting."""
        pod, node = placed
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": NODES.kind, "name": node},
        }
        path = PODS.path(pod.namespace, pod.name, "binding")
        try:
            self._client.raw(Request("POST", path, {}, json.dumps(binding).encode())).read()
        except (errors.NotFound, errors.Conflict):
            return False  # it changed meanwhile; what it is now arrives soon
        except errors.TrainJobError as error:
            _log.warning("pod %s/%s: %s", pod.namespace, pod.name, error)
            return False
        self.cache.assume(pod, node)
        self._told.pop(pod.uid, None)
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.record(pod.pod, kind=NORMAL, reason="Scheduled", message=message, action="Binding")
        return True

    def _end(self, ended: cycle.Ended) -> bool:
        """End a pod that has to make room."""
        pod, preemptor = ended.victim.pod, ended.preemptor
        about = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{COMPONENT}: preempting to accommodate a higher priority pod",
        }
        if not self._set_condition(pod, about):
            return False
        try:
            self._client.delete(PODS, pod["metadata"]["name"], namespace=ended.victim.namespace, uid=ended.victim.uid)
        except errors.NotFound:
            return True
        except errors.TrainJobError as error:
            _log.warning("pod %s/%s: %s", ended.victim.namespace, pod["metadata"]["name"], error)
            return False
        message = f"Preempted by pod {preemptor.uid} on node {ended.victim.node}"
        self._recorder.record(pod, kind=NORMAL, reason="Preempted", message=message, action="Preempting")
        return True

    def _tell(self, reasons: list[tuple[Waiting, str, str]], now: float) -> float | None:
        """Tell pods why they wait, if that is new; return the seconds until there is more to tell."""
        silence = min(len(reasons) / TOLD_IN_A_PASS, LONGEST_SILENCE)
        told, later = 0, []
        known, self._told = self._told, {}
        for pod, reason, message in reasons:
            before = known.get(pod.uid) or _said_in(pod.pod)
            if before is not None:
                self._told[pod.uid] = before
                if (before.reason, before.message) == (reason, message):
                    continue
                if now < before.at + silence:
                    later.append(before.at + silence - now)
                    continue
            if told == TOLD_IN_A_PASS:
                later.append(0.0)
                continue
            told += 1
            if self._write(pod, reason, message):
                self._told[pod.uid] = _Told(reason, message, now)
            else:
                later.append(RETRY_SECONDS)
        return min(later, default=None)

    def _write(self, pod: Waiting, reason: str, message: str) -> bool:
        said = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        if not self._set_condition(pod.pod, said):
            return False
        if reason == "Unschedulable":
            self._recorder.record(
                pod.pod, kind=WARNING, reason="FailedScheduling", message=message, action="Scheduling"
            )
        return True

    def _set_condition(self, pod: Object, said: Object) -> bool:
        """Set a condition of a pod; return whether it was still as it was seen."""
        metadata = pod["metadata"]
        if "generation" in metadata:
            said = {**said, "observedGeneration": metadata["generation"]}
        held = conditions.set((pod.get("status") or {}).get("conditions") or [], said, times.timestamp())
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": held}}
        try:
            self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        except (errors.NotFound, errors.Conflict):
            return False  # it changed meanwhile; what it is now arrives soon
        except errors.TrainJobError as error:
            _log.warning("pod %s/%s: %s", metadata["namespace"], metadata["name"], error)
            return False
        return True


def _said_in(pod: Object) -> _Told | None:
    """Return what a pod was told before this scheduler began."""
    condition = conditions.get(pod, "PodScheduled")
    if condition is None or condition.get("status") != "False":
        return None
    return _Told(str(condition.get("reason") or ""), str(condition.get("message") or ""), 0.0)
