"""Order the pending pods: by priority, then by fair share of their namespace, then by age.

In: the pending pods and their PodGroups. Out: units, each placed in one step, in order. Within a priority the namespace
with the lowest dominant share is next: the largest fraction that its pods use of any resource of the cluster (dominant
resource fairness; Ghodsi et al., NSDI 2011). So a hundred jobs of one user do not delay a single job of another. A unit
that has waited long reserves free resources until they suffice (``Unit.reserves``), so that small pods do not starve a
large one.
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
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.cluster.scheduler import gang
from jupyter_trainjob.cluster.scheduler.pod_cache import GroupCounts, PendingPod

RESERVE_AFTER_SECONDS: Final = 60.0
"""Seconds after which a pod reserves resources. A gang does from the start, for the time that `gang` limits."""

FORMING_SECONDS: Final = 3.0
"""Seconds within which a gang's next pod is expected; creation times are rounded down to whole seconds."""

GroupKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is placed in one step: a single pod, or pods of a PodGroup."""

    pods: tuple[PendingPod, ...]
    min_pods: int = 1
    """The fewest of `pods` to place together; with fewer, none is placed."""
    min_resources: Amounts = field(default_factory=dict)
    """A PodGroup's minResources: must be free in the cluster, whatever its pods request."""
    reserves: bool = False
    """Whether the resources that it lacks are reserved against the units behind it."""
    backoff_message: str = ""
    """Why it is ordered behind all others of its priority; empty if it is not."""
    prefilter_failure: str = ""
    """Why it is not tried; empty if it is."""
    forming: bool = False
    """Whether its pods are still being created, so that missing ones are not reported yet."""
    requeue_after: float | None = None
    """Seconds until `reserves` or `backoff_message` changes."""

    @property
    def first(self) -> PendingPod:
        """Return the oldest pod."""
        return self.pods[0]

    @property
    def priority(self) -> int:
        """Return the highest priority of its pods."""
        return max(pod.priority for pod in self.pods)


class NamespaceShares:
    """Resource usage of namespaces as fractions of the cluster."""

    def __init__(self, total: Amounts, used: Iterable[tuple[str, Amounts]]) -> None:
        self._total = total
        self._used: dict[str, Amounts] = {}
        for namespace, amounts in used:
            self.add(namespace, amounts)

    def add(self, namespace: str, amounts: Amounts) -> None:
        """Add to the usage of a namespace."""
        usage = self._used.setdefault(namespace, {})
        for name, amount in amounts.items():
            usage[name] = usage.get(name, Fraction(0)) + amount

    def dominant_share(self, namespace: str) -> float:
        """Return the dominant share of a namespace, from 0 (no usage) to 1 (all of some resource)."""
        usage = self._used.get(namespace, {})
        return max((float(usage[name] / self._total[name]) for name in usage if self._total.get(name)), default=0.0)


def build_units(
    pending: Iterable[PendingPod],
    groups: Mapping[GroupKey, KubeObject],
    counts: Mapping[GroupKey, GroupCounts],
    *,
    now: float,
) -> list[Unit]:
    """Return the units of the pending pods, without gated pods; `now` is in Unix seconds."""
    result = []
    members: defaultdict[GroupKey, list[PendingPod]] = defaultdict(list)
    for pod in pending:
        if pod.gated:
            continue
        if pod.group:
            members[pod.namespace, pod.group].append(pod)
        else:
            result.append(_single_pod_unit(pod, now))
    for key, pods in members.items():
        pods.sort(key=lambda pod: pod.arrival)
        result += _gang_units(pods, groups.get(key), counts[key], now)
    return result


def in_fair_order(units: Iterable[Unit], shares: NamespaceShares) -> Iterator[Unit]:
    """Yield the units in scheduling order. The caller adds each placed unit to `shares` before taking the next."""

    def level(unit: Unit) -> tuple[int, bool]:
        return -unit.priority, bool(unit.backoff_message)

    ordered = sorted(((level(unit), unit.first.arrival, unit) for unit in units), key=lambda entry: entry[:2])
    for _, entries in groupby(ordered, key=lambda entry: entry[0]):
        queues: defaultdict[str, deque[Unit]] = defaultdict(deque)
        for _, _, unit in entries:
            queues[unit.first.namespace].append(unit)
        heap = [
            (shares.dominant_share(namespace), queue[0].first.arrival, namespace) for namespace, queue in queues.items()
        ]
        heapq.heapify(heap)
        while heap:
            _, _, namespace = heapq.heappop(heap)
            queue = queues[namespace]
            yield queue.popleft()
            if queue:
                heapq.heappush(heap, (shares.dominant_share(namespace), queue[0].first.arrival, namespace))


def total_allocatable(nodes: Iterable[KubeObject]) -> Amounts:
    """Return the sum of the nodes' allocatable resources."""
    statuses = [node.get("status") or {} for node in nodes]
    return quantity.sum_amounts(
        quantity.parse_amounts(status.get("allocatable") or status.get("capacity")) for status in statuses
    )


def _single_pod_unit(pod: PendingPod, now: float) -> Unit:
    return Unit((pod,), reserves=now - pod.created >= RESERVE_AFTER_SECONDS)


def _gang_units(pods: list[PendingPod], group: KubeObject | None, counts: GroupCounts, now: float) -> list[Unit]:
    failure = gang.NOT_FOUND if group is None else gang.prefilter_failure(group, counts, pods[0].name)
    if group is None or failure:
        forming_seconds = FORMING_SECONDS - (now - max(pod.created for pod in pods))
        return [
            Unit(
                tuple(pods),
                prefilter_failure=failure,
                forming=forming_seconds > 0,
                requeue_after=forming_seconds if forming_seconds > 0 else None,
            )
        ]
    needed = gang.pods_needed(group, counts)
    if not needed:
        return [_single_pod_unit(pod, now) for pod in pods]
    complete_since = max(pods[needed - 1].created, unix_seconds(group["metadata"]["creationTimestamp"]))
    attempt = gang.current_attempt(group, now - complete_since)
    backoff = "" if attempt.reserving else gang.timeout_message(attempt)
    min_resources = {} if counts.assigned else gang.min_resources(group)
    return [
        Unit(
            tuple(pods),
            needed,
            min_resources,
            reserves=attempt.reserving,
            backoff_message=backoff,
            requeue_after=attempt.remaining,
        )
    ]
