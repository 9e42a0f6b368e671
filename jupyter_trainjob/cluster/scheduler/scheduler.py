"""The scheduler: assigns pending pods to nodes. In a real cluster this is kube-scheduler with the coscheduling plugin.

A change that can lead to a binding triggers one cycle over all pending pods: `scheduling_queue` orders them,
`scheduling_cycle` and `placement` decide, and this module binds pods and writes why others are pending. The number of
such writes in a cycle is limited, and the rest follows in the next, so that they do not delay bindings.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import NODES, PODGROUPS, PODS, KubeObject
from jupyter_trainjob.cluster.scheduler import placement, scheduling_cycle, scheduling_queue
from jupyter_trainjob.cluster.scheduler.pod_cache import PendingPod, PodCache, Snapshot
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.controller.event_recorder import NORMAL, WARNING, EventRecorder
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller
from jupyter_trainjob.kube.informer import Informer
from jupyter_trainjob.kube.transport import Request
from jupyter_trainjob.kube.workqueue import Key, WorkQueue

COMPONENT: Final = "default-scheduler"
RETRY_SECONDS: Final = 1.0
MAX_REPORTS_PER_CYCLE: Final = 100
MAX_REPORT_INTERVAL: Final = 30.0
"""Most seconds by which a changed reason is reported late, if many pods are pending."""

_CYCLE_KEY: Final[Key] = ("", "pass")
"""The only key: a cycle handles all pending pods."""
_GATED: Final = ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")

_log = logging.getLogger(__name__)


def controller(client: Client, informers: SharedInformers | None = None) -> Controller:
    """Return the scheduler; the caller starts it."""
    informers = informers or SharedInformers(client)
    nodes, pods, groups = informers.informer_for(NODES), informers.informer_for(PODS), informers.informer_for(PODGROUPS)
    scheduler = Scheduler(client, nodes=nodes, groups=groups, recorder=EventRecorder(client, controller=COMPONENT))
    queue = WorkQueue()

    def pod_changed(old: KubeObject | None, new: KubeObject | None) -> None:
        if scheduler.cache.observe(old, new):
            queue.add(_CYCLE_KEY)

    def group_changed(old: KubeObject | None, new: KubeObject | None) -> None:
        if old is None or new is None or old.get("spec") != new.get("spec"):
            queue.add(_CYCLE_KEY)

    scheduler_controller = Controller("scheduler", scheduler, queue=queue)
    scheduler_controller.watch(nodes, lambda _: (_CYCLE_KEY,))
    for informer, changed in ((pods, pod_changed), (groups, group_changed)):
        informer.on_change(changed)
        scheduler_controller.watch(informer, lambda _: ())
    return scheduler_controller


class _Report(NamedTuple):
    reason: str
    message: str
    at: float


class Scheduler:
    """Binds pending pods. Pass every change of a pod to `cache`."""

    def __init__(
        self,
        client: Client,
        *,
        nodes: Informer,
        groups: Informer,
        recorder: EventRecorder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cache = PodCache()
        self._client = client
        self._nodes = nodes
        self._groups = groups
        self._recorder = recorder
        self._clock = clock
        self._reports: dict[str, _Report] = {}
        """The last reported reason of each pending pod, by uid."""

    def reconcile(self, namespace: str, name: str) -> float | None:  # noqa: ARG002 - there is only one key
        """Run one cycle: bind pods that fit, preempt, and report why others are pending."""
        snapshot = self.cache.snapshot()
        if not snapshot.pending:
            self._reports.clear()
            return None
        now = self._clock()
        groups = {key: group for key in snapshot.counts if (group := self._groups.get(key[1], key[0])) is not None}
        units = scheduling_queue.build_units(snapshot.pending, groups, snapshot.counts, now=now)
        outcome = self._decide(units, snapshot)
        successes = [*map(self._bind, outcome.placed), *map(self._preempt, outcome.preempted)]
        reasons = [(pod, *_GATED) for pod in snapshot.pending if pod.gated]
        reasons += [(entry.pod, "Unschedulable", entry.message) for entry in outcome.unscheduled]
        delays = [unit.requeue_after for unit in units if unit.requeue_after is not None]
        delays += [] if all(successes) else [RETRY_SECONDS]
        report_delay = self._report_reasons(reasons, now)
        return min([*delays, report_delay] if report_delay is not None else delays, default=None)

    def _decide(self, units: Iterable[scheduling_queue.Unit], snapshot: Snapshot) -> scheduling_cycle.Outcome:
        nodes = self._nodes.list()
        node_infos = placement.node_infos(nodes, ((pod.node, pod.requests) for pod in snapshot.bound))
        shares = scheduling_queue.NamespaceShares(
            scheduling_queue.total_allocatable(nodes), ((pod.namespace, pod.requests) for pod in snapshot.bound)
        )
        return scheduling_cycle.run_cycle(units, node_infos, shares, snapshot.bound)

    def _bind(self, placed: scheduling_cycle.Placement) -> bool:
        """Bind a pod; return whether it succeeded. A failure does not stop the cycle."""
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
            return False  # it was changed; the informer will show its new state
        except errors.TrainJobError as error:
            _log.warning("cannot bind pod %s/%s: %s", pod.namespace, pod.name, error)
            return False
        self.cache.assume(pod, node)
        self._reports.pop(pod.uid, None)
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.record(pod.pod, kind=NORMAL, reason="Scheduled", message=message, action="Binding")
        return True

    def _preempt(self, preemption: scheduling_cycle.Preemption) -> bool:
        """Delete a preempted pod; return whether it succeeded."""
        pod, preemptor = preemption.victim.pod, preemption.preemptor
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{COMPONENT}: preempting to accommodate a higher priority pod",
        }
        if not self._set_condition(pod, condition):
            return False
        try:
            self._client.delete(
                PODS, pod["metadata"]["name"], namespace=preemption.victim.namespace, uid=preemption.victim.uid
            )
        except errors.NotFound:
            return True
        except errors.TrainJobError as error:
            _log.warning("cannot preempt pod %s/%s: %s", preemption.victim.namespace, pod["metadata"]["name"], error)
            return False
        message = f"Preempted by pod {preemptor.uid} on node {preemption.victim.node}"
        self._recorder.record(pod, kind=NORMAL, reason="Preempted", message=message, action="Preempting")
        return True

    def _report_reasons(self, reasons: list[tuple[PendingPod, str, str]], now: float) -> float | None:
        """Write changed reasons to pending pods; return the seconds until more are due, if any."""
        interval = min(len(reasons) / MAX_REPORTS_PER_CYCLE, MAX_REPORT_INTERVAL)
        reported, delays = 0, []
        previous, self._reports = self._reports, {}
        for pod, reason, message in reasons:
            last = previous.get(pod.uid) or _report_in_status(pod.pod)
            if last is not None:
                self._reports[pod.uid] = last
                if (last.reason, last.message) == (reason, message):
                    continue
                if now < last.at + interval:
                    delays.append(last.at + interval - now)
                    continue
            if reported == MAX_REPORTS_PER_CYCLE:
                delays.append(0.0)
                continue
            reported += 1
            if self._write_reason(pod, reason, message):
                self._reports[pod.uid] = _Report(reason, message, now)
            else:
                delays.append(RETRY_SECONDS)
        return min(delays, default=None)

    def _write_reason(self, pod: PendingPod, reason: str, message: str) -> bool:
        condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        if not self._set_condition(pod.pod, condition):
            return False
        if reason == "Unschedulable":
            self._recorder.record(
                pod.pod, kind=WARNING, reason="FailedScheduling", message=message, action="Scheduling"
            )
        return True

    def _set_condition(self, pod: KubeObject, condition: KubeObject) -> bool:
        """Set a condition of a pod; return whether the write succeeded."""
        metadata = pod["metadata"]
        if "generation" in metadata:
            condition = {**condition, "observedGeneration": metadata["generation"]}
        new_conditions = conditions.set_condition(
            (pod.get("status") or {}).get("conditions") or [], condition, times.timestamp()
        )
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": new_conditions}}
        try:
            self._client.patch(PODS, metadata["name"], patch, namespace=metadata["namespace"], subresource="status")
        except (errors.NotFound, errors.Conflict):
            return False  # it was changed; the informer will show its new state
        except errors.TrainJobError as error:
            _log.warning("cannot write the status of pod %s/%s: %s", metadata["namespace"], metadata["name"], error)
            return False
        return True


def _report_in_status(pod: KubeObject) -> _Report | None:
    """Return the reason in the status of a pod, from before this scheduler started."""
    condition = conditions.get_condition(pod, "PodScheduled")
    if condition is None or condition.get("status") != "False":
        return None
    return _Report(str(condition.get("reason") or ""), str(condition.get("message") or ""), 0.0)
