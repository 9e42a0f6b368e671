"""One scheduling cycle: from pending units and free resources to bindings, preemptions and messages.

Pure, called by `scheduler`, which writes the outcome. Free resources only shrink during a cycle: once a pod does not
fit, no equivalent pod fits. So ten thousand pending pods of a few kinds cost little more than sorting them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.cluster.scheduler import placement, preemption
from jupyter_trainjob.cluster.scheduler.placement import NodeInfo
from jupyter_trainjob.cluster.scheduler.pod_cache import BoundPod, PendingPod
from jupyter_trainjob.cluster.scheduler.scheduling_queue import NamespaceShares, Unit, in_fair_order


class Placement(NamedTuple):
    """A pod and the name of its node."""

    pod: PendingPod
    node: str


class Unscheduled(NamedTuple):
    """A pod that gets no node, and the message why."""

    pod: PendingPod
    message: str


class Preemption(NamedTuple):
    """A pod to preempt, and the pod of higher priority that needs its resources."""

    victim: BoundPod
    preemptor: PendingPod


@dataclass(slots=True)
class Outcome:
    """The decisions of a cycle."""

    placed: list[Placement] = field(default_factory=list)
    unscheduled: list[Unscheduled] = field(default_factory=list)
    preempted: list[Preemption] = field(default_factory=list)


def run_cycle(
    units: Iterable[Unit], nodes: Sequence[NodeInfo], shares: NamespaceShares, bound: Sequence[BoundPod] = ()
) -> Outcome:
    """Place the units that fit beside the bound pods. Updates `nodes` and `shares`."""
    return _Cycle(nodes, shares, bound).run(units)


class _Cycle:
    def __init__(self, nodes: Sequence[NodeInfo], shares: NamespaceShares, bound: Sequence[BoundPod]) -> None:
        self._nodes = nodes
        self._shares = shares
        self._bound = bound
        self._lowest = min((pod.priority for pod in bound), default=0)
        self._preempting = False
        """Whether a unit waits for preempted pods: one at a time, else two would count on the same resources."""
        self._unfit: dict[str, str] = {}
        """Message by equivalence key for pods that fit no node."""
        self._reserved_keys: set[tuple[str, ...]] = set()
        """Equivalence keys of units that have resources reserved since the last placement."""
        self._not_preempting_keys: set[tuple[str, ...]] = set()
        """Equivalence keys of units that do not fit even with all pods of lower priority preempted."""
        self._outcome = Outcome()

    def run(self, units: Iterable[Unit]) -> Outcome:
        for unit in in_fair_order(units, self._shares):
            if unit.forming:
                continue
            if unit.prefilter_failure:
                self._mark_unscheduled(
                    unit.pods, f"{placement.unavailable_prefix(self._nodes)}: {unit.prefilter_failure}."
                )
            elif not self._place_unit(unit) and (self._preempt(unit) or unit.reserves):
                self._reserve(unit)
        return self._outcome

    def _place_unit(self, unit: Unit) -> bool:
        """Place as many pods of a unit as fit, or none if fewer than its minimum; return whether any was placed."""
        gap = _resource_gap(unit.min_resources, self._nodes)
        placed: list[tuple[PendingPod, NodeInfo]] = []
        unplaced: list[Unscheduled] = []
        for pod in unit.pods:
            node = self._choose_node(pod, alone=not placed)
            if isinstance(node, NodeInfo):
                node.allocate(pod.requests)
                placed.append((pod, node))
                continue
            unplaced.append(Unscheduled(pod, node))
            if len(unit.pods) - len(unplaced) < unit.min_pods:
                break
        if len(placed) < unit.min_pods or gap:
            for pod, node in placed:
                node.release(pod.requests)
            if not unplaced:
                message = f"{placement.unavailable_prefix(self._nodes)}: {gap}."
                unplaced.append(Unscheduled(unit.first, message))
            self._mark_unscheduled(unit.pods, _unit_message(unit, unplaced[-1]))
            return False
        self._reserved_keys.clear()
        for pod, node in placed:
            self._shares.add(pod.namespace, pod.requests)
            self._outcome.placed.append(Placement(pod, node.name))
        self._outcome.unscheduled += unplaced
        return True

    def _preempt(self, unit: Unit) -> bool:
        """Preempt pods of lower priority if that makes a unit fit; return whether it waits for terminating pods."""
        pods = unit.pods[: unit.min_pods]
        if not self._bound or self._preempting or not preemption.may_preempt(pods, self._lowest):
            return False
        key = tuple(pod.equivalence_key for pod in pods)
        if key in self._not_preempting_keys:
            return False
        victims = preemption.choose_victims(pods, self._nodes, self._bound)
        if victims is None:
            self._not_preempting_keys.add(key)
            return False
        self._preempting = True
        self._outcome.preempted += [Preemption(victim, unit.first) for victim in victims]
        return True

    def _choose_node(self, pod: PendingPod, *, alone: bool) -> NodeInfo | str:
        """Return a node for a pod, or why there is none. With `alone`, no allocations may be undone later."""
        failure = self._unfit.get(pod.equivalence_key)
        if failure is not None:
            return failure
        node = placement.choose_node(pod.pod, pod.requests, self._nodes)
        if isinstance(node, str) and alone:
            self._unfit[pod.equivalence_key] = node
        return node

    def _mark_unscheduled(self, pods: Iterable[PendingPod], message: str) -> None:
        self._outcome.unscheduled += [Unscheduled(pod, message) for pod in pods]

    def _reserve(self, unit: Unit) -> None:
        """Reserve the resources that a unit lacks on the nodes that admit it, if it would fit there without others."""
        pods = unit.pods[: unit.min_pods]
        key = tuple(pod.equivalence_key for pod in pods)
        if key in self._reserved_keys:
            return
        self._reserved_keys.add(key)
        admitting = [node for node in self._nodes if any(placement.admits(pod.pod, node) for pod in pods)]
        if not _fits_empty(pods, admitting):
            return
        short = _insufficient_resources(quantity.sum_amounts(pod.requests for pod in pods), admitting)
        for node in admitting:
            node.reserved |= short


def _unit_message(unit: Unit, failure: Unscheduled) -> str:
    """Return the message for the pods of a unit that was not placed; coscheduling's for a PodGroup."""
    if unit.min_pods == 1 and len(unit.pods) == 1 and not unit.backoff_message:
        return failure.message
    group = f"{failure.pod.namespace}/{failure.pod.group}"
    rejected = f"PodGroup {group} gets rejected due to Pod {failure.pod.name} is unschedulable even after PostFilter"
    prefix = f"{unit.backoff_message}; " if unit.backoff_message else ""
    return f"{prefix}{failure.message} {rejected}"


def _resource_gap(required: Amounts, nodes: Sequence[NodeInfo]) -> str:
    """Return which resources of a PodGroup's minResources are not free; empty if all are."""
    free = quantity.sum_amounts(node.free for node in nodes)
    gaps = {name: amount - free.get(name, Fraction(0)) for name, amount in required.items()}
    missing = [f"{name}: {quantity.format_amount(gaps[name])}" for name in sorted(gaps) if gaps[name] > 0]
    return f"resource gap: {', '.join(missing)}" if missing else ""


def _fits_empty(pods: Sequence[PendingPod], nodes: Sequence[NodeInfo]) -> bool:
    empty = placement.node_infos(info.node for info in nodes)
    for pod in pods:
        node = placement.choose_node(pod.pod, pod.requests, empty)
        if isinstance(node, str):
            return False
        node.allocate(pod.requests)
    return True


def _insufficient_resources(required: Amounts, nodes: Sequence[NodeInfo]) -> set[str]:
    """Return the resources that are insufficient in total; all requested ones if they are only fragmented."""
    free = quantity.sum_amounts(node.free for node in nodes)
    short = {name for name, amount in required.items() if amount > free.get(name, Fraction(0))}
    return short or {name for name, amount in required.items() if amount}
