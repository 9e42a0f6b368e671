"""In which order pods get their turn: by priority, then fairly between namespaces, then first come, first served.

In: the pods that wait, with the PodGroups of those that have one. Out: units, each to be placed in one step, in turn.
Within a priority the namespace that has least gets the next turn, measured by its dominant share: the largest part that
its pods have of any resource of the cluster. So a hundred jobs of one user do not keep another's one waiting. Who has
waited long may hold what is free until it is enough (``Unit.holds``), so that small pods do not starve a large one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Final

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.cluster import gang
from jupyter_trainjob.cluster.podcache import Counts, Waiting

PATIENCE_SECONDS: Final = 60.0
"""How long a pod lets others overtake it. A gang holds room from the start: that is what its timeout limits."""

GATHERING_SECONDS: Final = 3.0
"""How long after one of its pods a gang is expected to get the next; whole seconds are rounded off such times."""

GroupKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is placed in one step: a pod, or pods of a group."""

    pods: tuple[Waiting, ...]
    least: int = 1
    """So many of them get a node, or none."""
    asked: Amounts = field(default_factory=dict)
    """What has to be free in the cluster, whatever its pods ask for: a PodGroup's minResources."""
    holds: bool = False
    """Whether those behind leave it the room that it is short of."""
    steps_back: str = ""
    """Why it comes behind all others of its priority; empty if it does not."""
    refused: str = ""
    """Why it is not even tried; empty if it is."""
    gathers: bool = False
    """Whether its pods are just being made, so that there is nothing to say yet about those that are missing."""
    changes_in: float | None = None
    """The seconds until it holds or steps back."""

    @property
    def first(self) -> Waiting:
        """Return the pod that came first."""
        return self.pods[0]

    @property
    def priority(self) -> int:
        """Return the highest priority of its pods."""
        return max(pod.priority for pod in self.pods)


class Shares:
    """What the namespaces have of the cluster."""

    def __init__(self, total: Amounts, used: Iterable[tuple[str, Amounts]]) -> None:
        self._total = total
        self._used: dict[str, Amounts] = {}
        for namespace, amounts in used:
            self.add(namespace, amounts)

    def add(self, namespace: str, amounts: Amounts) -> None:
        """Count this as the namespace's."""
        held = self._used.setdefault(namespace, {})
        for name, amount in amounts.items():
            held[name] = held.get(name, Fraction(0)) + amount

    def of(self, namespace: str) -> float:
        """Return the dominant share of a namespace: 0 where it has nothing, 1 where nobody else has anything."""
        held = self._used.get(namespace, {})
        return max((float(held[name] / self._total[name]) for name in held if self._total.get(name)), default=0.0)


def units(
    waiting: Iterable[Waiting], groups: Mapping[GroupKey, Object], counts: Mapping[GroupKey, Counts], *, now: float
) -> list[Unit]:
    """Return the pods that may be scheduled, as they are to be placed; gated ones are left out."""
    found = []
    members: defaultdict[GroupKey, list[Waiting]] = defaultdict(list)
    for pod in waiting:
        if pod.gated:
            continue
        if pod.group:
            members[pod.namespace, pod.group].append(pod)
        else:
            found.append(_single(pod, now))
    for key, pods in members.items():
        pods.sort(key=lambda pod: pod.came)
        found += _gang(pods, groups.get(key), counts[key], now)
    return found


def in_turn(waiting: Iterable[Unit], shares: Shares) -> Iterator[Unit]:
    """Yield the units in the order of their turn; who places one adds it to `shares` before asking for the next."""

    def level(unit: Unit) -> tuple[int, bool]:
        return -unit.priority, bool(unit.steps_back)

    ordered = sorted(((level(unit), unit.first.came, unit) for unit in waiting), key=lambda entry: entry[:2])
    for _, entries in groupby(ordered, key=lambda entry: entry[0]):
        queues: defaultdict[str, deque[Unit]] = defaultdict(deque)
        for _, _, unit in entries:
            queues[unit.first.namespace].append(unit)
        heap = [(shares.of(namespace), queue[0].first.came, namespace) for namespace, queue in queues.items()]
        heapq.heapify(heap)
        while heap:
            _, _, namespace = heapq.heappop(heap)
            queue = queues[namespace]
            yield queue.popleft()
            if queue:
                heapq.heappush(heap, (shares.of(namespace), queue[0].first.came, namespace))


def total_of(nodes: Iterable[Object]) -> Amounts:
    """Return what the nodes have together."""
    statuses = [node.get("status") or {} for node in nodes]
    return quantity.total(quantity.amounts(each.get("allocatable") or each.get("capacity")) for each in statuses)


def _single(pod: Waiting, now: float) -> Unit:
    return Unit((pod,), holds=now - pod.since >= PATIENCE_SECONDS)


def _gang(pods: list[Waiting], group: Object | None, counts: Counts, now: float) -> list[Unit]:
    why = gang.NOT_FOUND if group is None else gang.refusal(group, counts, pods[0].name)
    if group is None or why:
        left = GATHERING_SECONDS - (now - max(pod.since for pod in pods))
        return [Unit(tuple(pods), refused=why, gathers=left > 0, changes_in=left if left > 0 else None)]
    least = gang.missing(group, counts)
    if not least:
        return [_single(pod, now) for pod in pods]
    complete_since = max(pods[least - 1].since, seconds(group["metadata"]["creationTimestamp"]))
    found = gang.attempt(group, now - complete_since)
    back = "" if found.holding else gang.timed_out(found)
    asked = {} if counts.assigned else gang.resources(group)
    return [Unit(tuple(pods), least, asked, holds=found.holding, steps_back=back, changes_in=found.left)]
