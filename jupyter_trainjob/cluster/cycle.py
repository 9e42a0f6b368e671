"""One pass of the scheduler: units in their turn, nodes with what is free, and out comes who gets which node.

Pure, called by `scheduler`, which binds and tells. Room only shrinks during a pass, so once a pod found none, all pods
like it find none: ten thousand waiting pods of a few kinds cost little more than their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.cluster import placement, preemption
from jupyter_trainjob.cluster.placement import Room
from jupyter_trainjob.cluster.podcache import Bound, Waiting
from jupyter_trainjob.cluster.queue import Shares, Unit, in_turn


class Placed(NamedTuple):
    """A pod and the node that it gets."""

    pod: Waiting
    node: str


class Left(NamedTuple):
    """A pod that gets none, and why."""

    pod: Waiting
    why: str


class Ended(NamedTuple):
    """A pod that has to end, and the more important one that it makes room for."""

    victim: Bound
    preemptor: Waiting


@dataclass(slots=True)
class Outcome:
    """What a pass decided."""

    placed: list[Placed] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)


def run(units: Iterable[Unit], rooms: Sequence[Room], shares: Shares, bound: Sequence[Bound] = ()) -> Outcome:
    """Place what fits beside what is bound. `rooms` and `shares` are changed to what they are afterwards."""
    return _Pass(rooms, shares, bound).run(units)


class _Pass:
    def __init__(self, rooms: Sequence[Room], shares: Shares, bound: Sequence[Bound]) -> None:
        self._rooms = rooms
        self._shares = shares
        self._bound = bound
        self._lowest = min((each.priority for each in bound), default=0)
        self._preempting = False
        """Whether somebody waits already for others to end: one at a time, else both would count on the same room."""
        self._unfit: dict[str, str] = {}
        """Why pods of a likeness fit nowhere."""
        self._kept: set[tuple[str, ...]] = set()
        """The likenesses of units for which room is kept, since the last one that was placed."""
        self._hopeless: set[tuple[str, ...]] = set()
        """The likenesses of units that would not fit if all less important pods ended."""
        self._outcome = Outcome()

    def run(self, units: Iterable[Unit]) -> Outcome:
        for unit in in_turn(units, self._shares):
            if unit.gathers:
                continue
            if unit.refused:
                self._leave(unit.pods, f"{placement.none_of(self._rooms)}: {unit.refused}.")
            elif not self._place(unit) and (self._preempt(unit) or unit.holds):
                self._keep_room(unit)
        return self._outcome

    def _place(self, unit: Unit) -> bool:
        """Give nodes to as many pods of a unit as there is room for; to none, if they are too few."""
        gap = _gap(unit.asked, self._rooms)
        found: list[tuple[Waiting, Room]] = []
        unplaced: list[Left] = []
        for pod in unit.pods:
            node = self._find(pod, alone=not found)
            if isinstance(node, Room):
                node.take(pod.needs)
                found.append((pod, node))
                continue
            unplaced.append(Left(pod, node))
            if len(unit.pods) - len(unplaced) < unit.least:
                break
        if len(found) < unit.least or gap:
            for pod, room in found:
                room.give_back(pod.needs)
            last = unplaced[-1] if unplaced else Left(unit.first, f"{placement.none_of(self._rooms)}: {gap}.")
            self._leave(unit.pods, _why(unit, last))
            return False
        self._kept.clear()
        for pod, room in found:
            self._shares.add(pod.namespace, pod.needs)
            self._outcome.placed.append(Placed(pod, room.name))
        self._outcome.left += unplaced
        return True

    def _preempt(self, unit: Unit) -> bool:
        """Have less important pods end, if that gives a unit its room; return whether it waits for pods that end."""
        pods = unit.pods[: unit.least]
        if not self._bound or self._preempting or not preemption.may_preempt(pods, self._lowest):
            return False
        likeness = tuple(pod.likeness for pod in pods)
        if likeness in self._hopeless:
            return False
        found = preemption.victims(pods, self._rooms, self._bound)
        if found is None:
            self._hopeless.add(likeness)
            return False
        self._preempting = True
        self._outcome.ended += [Ended(victim, unit.first) for victim in found]
        return True

    def _find(self, pod: Waiting, *, alone: bool) -> Room | str:
        """Return a node for a pod, or why there is none; `alone`: no room is taken that may be given back."""
        known = self._unfit.get(pod.likeness)
        if known is not None:
            return known
        found = placement.place(pod.pod, pod.needs, self._rooms)
        if isinstance(found, str) and alone:
            self._unfit[pod.likeness] = found
        return found

    def _leave(self, pods: Iterable[Waiting], why: str) -> None:
        self._outcome.left += [Left(pod, why) for pod in pods]

    def _keep_room(self, unit: Unit) -> None:
        """Keep what a unit is short of from those behind it, on the nodes that take it; if it can fit there at all."""
        pods = unit.pods[: unit.least]
        likeness = tuple(pod.likeness for pod in pods)
        if likeness in self._kept:
            return
        self._kept.add(likeness)
        open_to = [room for room in self._rooms if any(placement.takes(pod.pod, room) for pod in pods)]
        if not _fits_empty(pods, open_to):
            return
        short = _short(quantity.total(pod.needs for pod in pods), open_to)
        for room in open_to:
            room.kept |= short


def _why(unit: Unit, last: Left) -> str:
    """Return what is said to the pods of a unit that was not placed, in coscheduling's words if they are several."""
    if unit.least == 1 and len(unit.pods) == 1 and not unit.steps_back:
        return last.why
    group = f"{last.pod.namespace}/{last.pod.group}"
    rejected = f"PodGroup {group} gets rejected due to Pod {last.pod.name} is unschedulable even after PostFilter"
    back = f"{unit.steps_back}; " if unit.steps_back else ""
    return f"{back}{last.why} {rejected}"


def _gap(asked: Amounts, rooms: Sequence[Room]) -> str:
    """Return what is free too little of what a PodGroup's minResources ask for; empty if it is enough."""
    free = quantity.total(room.free for room in rooms)
    short = {name: amount - free.get(name, Fraction(0)) for name, amount in asked.items()}
    listed = [f"{name}: {quantity.canonical(short[name])}" for name in sorted(short) if short[name] > 0]
    return f"resource gap: {', '.join(listed)}" if listed else ""


def _fits_empty(pods: Sequence[Waiting], rooms: Sequence[Room]) -> bool:
    empty = placement.rooms(room.node for room in rooms)
    for pod in pods:
        found = placement.place(pod.pod, pod.needs, empty)
        if isinstance(found, str):
            return False
        found.take(pod.needs)
    return True


def _short(wanted: Amounts, rooms: Sequence[Room]) -> set[str]:
    """Return the resources of which there is too little; all that are asked for, if it only lies too far apart."""
    free = quantity.total(room.free for room in rooms)
    short = {name for name, amount in wanted.items() if amount > free.get(name, Fraction(0))}
    return short or {name for name, amount in wanted.items() if amount}
