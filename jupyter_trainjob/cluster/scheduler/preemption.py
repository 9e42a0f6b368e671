"""Choose pods to preempt for pending pods of a higher priority. Pure.

The rule is that of kube-scheduler, applied to all nodes at once: only pods of a lower priority, only if that lets the
pending pods fit, and as few as possible, keeping those of the highest priority and age. Pods that are already
terminating count as gone first, so that nothing more is preempted for the resources that they free
(https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_trainjob.api.kinds.priority_classes import PREEMPTS_NEVER
from jupyter_trainjob.cluster.scheduler import placement
from jupyter_trainjob.cluster.scheduler.placement import NodeInfo
from jupyter_trainjob.cluster.scheduler.pod_cache import BoundPod, PendingPod


def may_preempt(pods: Sequence[PendingPod], lowest: int) -> bool:
    """Return whether all pods have a higher priority than `lowest`, that of a bound pod, and a preempting policy."""
    return all(pod.priority > lowest and pod.pod["spec"].get("preemptionPolicy") != PREEMPTS_NEVER for pod in pods)


def choose_victims(
    pods: Sequence[PendingPod], nodes: Sequence[NodeInfo], bound: Sequence[BoundPod]
) -> list[BoundPod] | None:
    """Return the bound pods to preempt so that all of `pods` fit; none if waiting for terminating pods is enough.

    Returns None if preemption does not make them fit.
    """
    nodes_after = {info.name: NodeInfo(info.node, dict(info.free)) for info in nodes}
    present = [pod for pod in bound if pod.node in nodes_after]
    for victim in present:
        if victim.terminating:
            nodes_after[victim.node].release(victim.requests)
    if _fit(pods, nodes_after.values()):
        return []
    priority = min(pod.priority for pod in pods)
    candidates = [pod for pod in present if not pod.terminating and pod.priority < priority]
    for candidate in candidates:
        nodes_after[candidate.node].release(candidate.requests)
    if not _fit(pods, nodes_after.values()):
        return None
    chosen = []
    for candidate in sorted(candidates, key=lambda pod: (-pod.priority, pod.created)):
        nodes_after[candidate.node].allocate(candidate.requests)
        if not _fit(pods, nodes_after.values()):
            nodes_after[candidate.node].release(candidate.requests)
            chosen.append(candidate)
    return chosen


def _fit(pods: Sequence[PendingPod], nodes: Iterable[NodeInfo]) -> bool:
    """Return whether pods fit together; the free resources are unchanged afterwards."""
    node_list = list(nodes)
    allocated = []
    for pod in pods:
        node = placement.choose_node(pod.pod, pod.requests, node_list)
        if isinstance(node, str):
            break
        node.allocate(pod.requests)
        allocated.append((node, pod.requests))
    for node, requests in allocated:
        node.release(requests)
    return len(allocated) == len(pods)
