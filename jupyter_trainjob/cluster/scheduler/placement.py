"""Choose a node for each pod from requests, affinity and taints. Pure.

Called by `scheduling_cycle`. Messages are those of kube-scheduler, which users search for: ``0/1 nodes are available: 1
Insufficient cpu.``
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from jupyter_trainjob.api import conditions, quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.scheduler import node_affinity

SCHEDULERS: Final = frozenset({"default-scheduler", "scheduler-plugins-scheduler"})
"""The values of ``schedulerName`` that this scheduler handles: Kubernetes' default, and coscheduling's."""
_TERMINAL_PHASES: Final = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True)
class NodeInfo:
    """A node and its free resources."""

    node: KubeObject
    free: Amounts
    reserved: set[str] = field(default_factory=set)
    """Names of the resources that are reserved for pods ahead in the queue."""

    @property
    def name(self) -> str:
        """Return the node's name."""
        return str(self.node["metadata"]["name"])

    def allocate(self, needed: Amounts) -> None:
        """Subtract the requests of a pod from the free resources."""
        for name, amount in needed.items():
            self.free[name] = self.free.get(name, Fraction(0)) - amount

    def release(self, needed: Amounts) -> None:
        """Undo `allocate`."""
        for name, amount in needed.items():
            self.free[name] += amount


def pod_requests(pod: KubeObject) -> Amounts:
    """Return the resources that a pod takes of a node, including one of its ``pods``."""
    return {**quantity.pod_requests(pod["spec"]), "pods": Fraction(1)}


def node_infos(nodes: Iterable[KubeObject], taken: Iterable[tuple[str, Amounts]] = ()) -> list[NodeInfo]:
    """Return the nodes with their free resources, given the node name and the requests of each bound pod."""
    infos = {}
    for node in sorted(nodes, key=lambda node: str(node["metadata"]["name"])):
        status = node.get("status") or {}
        infos[node["metadata"]["name"]] = NodeInfo(
            node, quantity.parse_amounts(status.get("allocatable") or status.get("capacity"))
        )
    for name, needed in taken:
        if name in infos:
            infos[name].allocate(needed)
    return list(infos.values())


def is_pending(pod: KubeObject) -> bool:
    """Return whether a pod waits for a node from this scheduler."""
    spec, metadata = pod["spec"], pod["metadata"]
    ours = spec.get("schedulerName", "default-scheduler") in SCHEDULERS
    return ours and not spec.get("nodeName") and "deletionTimestamp" not in metadata and not is_terminated(pod)


def is_terminated(pod: KubeObject) -> bool:
    """Return whether a pod has terminated, so that it uses no resources."""
    return (pod.get("status") or {}).get("phase") in _TERMINAL_PHASES


def choose_node(pod: KubeObject, needed: Amounts, nodes: Sequence[NodeInfo]) -> NodeInfo | str:
    """Return the fitting node with the most free CPU, or kube-scheduler's message if no node fits."""
    if not nodes:
        return "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    fitting_nodes = []
    for candidate in nodes:
        failures = _node_filter_failures(pod, candidate) or _resource_failures(needed, candidate)
        reasons.update(failures)
        if not failures:
            fitting_nodes.append(candidate)
    if not fitting_nodes:
        summary = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
        return f"{unavailable_prefix(nodes)}: {summary}."
    return max(fitting_nodes, key=lambda node: node.free.get("cpu", Fraction(0)))


def unavailable_prefix(nodes: Sequence[NodeInfo]) -> str:
    """Return the first part of every message about a pod that gets no node."""
    return f"0/{len(nodes)} nodes are available"


def admits(pod: KubeObject, node: NodeInfo) -> bool:
    """Return whether a node admits a pod, regardless of free resources."""
    return not _node_filter_failures(pod, node)


def _node_filter_failures(pod: KubeObject, node: NodeInfo) -> list[str]:
    """Return why a node does not admit a pod, free resources aside, in the order of kube-scheduler's filters."""
    if (node.node.get("spec") or {}).get("unschedulable"):
        return ["node(s) were unschedulable"]
    ready = conditions.get_condition(node.node, "Ready")
    if ready is not None and ready["status"] != "True":
        return ["node(s) were not ready"]
    if taint := node_affinity.untolerated_taint(pod["spec"], node.node):
        return [f"node(s) had untolerated taint {taint}"]
    if not node_affinity.matches_node(pod["spec"], node.node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    return []


def _resource_failures(needed: Amounts, node: NodeInfo) -> list[str]:
    insufficient = [name for name, amount in needed.items() if amount and amount > node.free.get(name, Fraction(0))]
    if insufficient:
        return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in sorted(insufficient)]
    reserved = sorted(name for name in node.reserved if needed.get(name))
    return [f"node(s) kept {', '.join(reserved)} for pods ahead in the queue"] if reserved else []
