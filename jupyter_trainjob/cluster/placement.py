"""Which pod goes to which node, decided from requests and from what pods and nodes say of each other. Pure functions.

Called by `cycle`. The words are kube-scheduler's, because they are what users look for: ``0/1 nodes are available: 1
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
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster import affinity

SCHEDULERS: Final = frozenset({"default-scheduler", "scheduler-plugins-scheduler"})
"""The names under which this scheduler is asked for: Kubernetes' own, and the one that knows PodGroups."""
_ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True)
class Room:
    """A node and what is free on it."""

    node: Object
    free: Amounts
    kept: set[str] = field(default_factory=set)
    """The resources that are kept for pods ahead in the queue."""

    @property
    def name(self) -> str:
        """Return the node's name."""
        return str(self.node["metadata"]["name"])

    def take(self, needed: Amounts) -> None:
        """Keep this much for a pod."""
        for name, amount in needed.items():
            self.free[name] = self.free.get(name, Fraction(0)) - amount

    def give_back(self, needed: Amounts) -> None:
        """Undo `take`."""
        for name, amount in needed.items():
            self.free[name] += amount


def needs(pod: Object) -> Amounts:
    """Return what a pod takes of a node, itself included: nodes run a limited number of pods."""
    return {**quantity.pod_requests(pod["spec"]), "pods": Fraction(1)}


def rooms(nodes: Iterable[Object], taken: Iterable[tuple[str, Amounts]] = ()) -> list[Room]:
    """Return the nodes with what is free on them, given the node and the needs of each pod that is bound."""
    found = {}
    for node in sorted(nodes, key=lambda each: str(each["metadata"]["name"])):
        status = node.get("status") or {}
        found[node["metadata"]["name"]] = Room(
            node, quantity.amounts(status.get("allocatable") or status.get("capacity"))
        )
    for name, needed in taken:
        if name in found:
            found[name].take(needed)
    return list(found.values())


def is_waiting(pod: Object) -> bool:
    """Return whether a pod wants a node from this scheduler."""
    spec, metadata = pod["spec"], pod["metadata"]
    ours = spec.get("schedulerName", "default-scheduler") in SCHEDULERS
    return ours and not spec.get("nodeName") and "deletionTimestamp" not in metadata and not has_ended(pod)


def has_ended(pod: Object) -> bool:
    """Return whether all of a pod's programs have ended, so that it takes nothing any more."""
    return (pod.get("status") or {}).get("phase") in _ENDED


def place(pod: Object, needed: Amounts, nodes: Sequence[Room]) -> Room | str:
    """Return the node with the most room that fits the pod, or in kube-scheduler's words why there is none."""
    if not nodes:
        return "no nodes available to schedule pods"
    reasons: Counter[str] = Counter()
    fitting = []
    for room in nodes:
        against = _against(pod, room) or _missing(needed, room)
        reasons.update(against)
        if not against:
            fitting.append(room)
    if not fitting:
        listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
        return f"{none_of(nodes)}: {listed}."
    return max(fitting, key=lambda room: room.free.get("cpu", Fraction(0)))


def none_of(nodes: Sequence[Room]) -> str:
    """Return the beginning of every message about a pod that gets no node."""
    return f"0/{len(nodes)} nodes are available"


def takes(pod: Object, room: Room) -> bool:
    """Return whether a node takes such a pod at all, however full it is."""
    return not _against(pod, room)


def _against(pod: Object, room: Room) -> list[str]:
    """Return why this node takes no such pod at all; the order is that of kube-scheduler's filters."""
    if (room.node.get("spec") or {}).get("unschedulable"):
        return ["node(s) were unschedulable"]
    ready = conditions.get(room.node, "Ready")
    if ready is not None and ready["status"] != "True":
        return ["node(s) were not ready"]
    if taint := affinity.untolerated(pod["spec"], room.node):
        return [f"node(s) had untolerated taint {taint}"]
    if not affinity.selects(pod["spec"], room.node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    return []


def _missing(needed: Amounts, room: Room) -> list[str]:
    short = [name for name, amount in needed.items() if amount and amount > room.free.get(name, Fraction(0))]
    if short:
        return ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in sorted(short)]
    kept = sorted(name for name in room.kept if needed.get(name))
    return [f"node(s) kept {', '.join(kept)} for pods ahead in the queue"] if kept else []
