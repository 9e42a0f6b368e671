"""Preemption: whom to end so that pods of a higher priority get their room. Pure, called by `cycle`.

The rule is kube-scheduler's, over all nodes at once: only pods of a lower priority, only if that helps, and of those as
few as possible, the most important and the oldest spared first. While pods are ending nobody else is ended for what
they leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jupyter_trainjob.api.priorityclasses import PREEMPTS_NEVER
from jupyter_trainjob.cluster import placement
from jupyter_trainjob.cluster.placement import Room
from jupyter_trainjob.cluster.podcache import Bound, Waiting


def may_preempt(pods: Sequence[Waiting], lowest: int) -> bool:
    """Return whether pods are all more important than the least important one that is bound, and may end it."""
    return all(pod.priority > lowest and pod.pod["spec"].get("preemptionPolicy") != PREEMPTS_NEVER for pod in pods)


def victims(pods: Sequence[Waiting], rooms: Sequence[Room], bound: Sequence[Bound]) -> list[Bound] | None:
    """Return whom to end so that all of `pods` fit; nobody, if it is enough to wait for those that are ending.

    None if it does not help.
    """
    later = {room.name: Room(room.node, dict(room.free)) for room in rooms}
    known = [each for each in bound if each.node in later]
    for each in known:
        if each.ending:
            later[each.node].give_back(each.needs)
    if _fit(pods, later.values()):
        return []
    priority = min(pod.priority for pod in pods)
    candidates = [each for each in known if not each.ending and each.priority < priority]
    for each in candidates:
        later[each.node].give_back(each.needs)
    if not _fit(pods, later.values()):
        return None
    chosen = []
    for each in sorted(candidates, key=lambda candidate: (-candidate.priority, candidate.came)):
        later[each.node].take(each.needs)
        if not _fit(pods, later.values()):
            later[each.node].give_back(each.needs)
            chosen.append(each)
    return chosen


def _fit(pods: Sequence[Waiting], rooms: Iterable[Room]) -> bool:
    """Return whether pods fit together; what they take is given back."""
    nodes = list(rooms)
    taken = []
    for pod in pods:
        found = placement.place(pod.pod, pod.needs, nodes)
        if isinstance(found, str):
            break
        found.take(pod.needs)
        taken.append((found, pod.needs))
    for room, needs in taken:
        room.give_back(needs)
    return len(taken) == len(pods)
