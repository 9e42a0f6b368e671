"""The scheduler's index of pods: pending ones, used resources, and group sizes.

The informer passes every change of a pod to `PodCache.observe`, which updates the cache and returns whether the change
can lead to a binding: cycles never read terminated pods, and run only when needed. The values that a cycle needs of a
pod are computed once. A binding that the informer does not show yet is assumed until it does, as in kube-scheduler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, NamedTuple

from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.cluster.scheduler import placement

_NODE_CONSTRAINTS: Final = ("nodeSelector", "affinity", "tolerations")


@dataclass(frozen=True, slots=True)
class PendingPod:
    """A pod without a node, with the values that a scheduling cycle needs."""

    pod: KubeObject
    uid: str
    namespace: str
    name: str
    group: str
    """The name of its PodGroup; empty if it has none."""
    priority: int
    arrival: tuple[str, int]
    """Sort key of its age: creationTimestamp, which has whole seconds only, and first resourceVersion."""
    created: float
    """Its creation time, in Unix seconds."""
    requests: Amounts
    equivalence_key: str
    """Equal for pods with the same requests and node constraints, which fit the same nodes."""
    gated: bool


@dataclass(frozen=True, slots=True)
class BoundPod:
    """A pod that uses resources of a node."""

    pod: KubeObject
    uid: str
    namespace: str
    group: str
    node: str
    requests: Amounts
    priority: int
    created: str
    terminating: bool
    """Whether it is being deleted and still runs."""


@dataclass(slots=True)
class GroupMembers:
    """The uids of a group's pods, without deleted ones: all, those with a node (even if terminated), gated ones."""

    all: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)


class GroupCounts(NamedTuple):
    """Numbers of the pods of a group."""

    total: int = 0
    assigned: int = 0
    gated: int = 0


class Snapshot(NamedTuple):
    """The input of a scheduling cycle."""

    pending: list[PendingPod]
    bound: list[BoundPod]
    counts: dict[tuple[str, str], GroupCounts]
    """By namespace and name of the groups that have pending pods."""


class PodCache:
    """Pending and bound pods, updated by informer events and assumed bindings. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: dict[str, PendingPod] = {}
        self._bound: dict[str, BoundPod] = {}
        self._groups: dict[tuple[str, str], GroupMembers] = {}
        self._assumed: set[str] = set()

    def observe(self, old: KubeObject | None, new: KubeObject | None) -> bool:
        """Process a change; return whether it needs a cycle: a pod needs a node, or resources became free."""
        with self._lock:
            freed = False
            if old is not None and (new is None or _uid(new) != _uid(old)):
                freed = self._forget(old)
            elif old is not None and new is not None and _group_name(new) != _group_name(old):
                self._leave_group(old)
            return (self._add(new) if new is not None else False) or freed

    def assume(self, pending: PendingPod, node: str) -> None:
        """Treat a pod as bound to `node` until the informer shows the binding."""
        with self._lock:
            if self._pending.pop(pending.uid, None) is None:
                return  # the informer has shown the binding already
            self._assumed.add(pending.uid)
            spec = {**pending.pod["spec"], "nodeName": node}
            self._bound[pending.uid] = _bound_pod({**pending.pod, "spec": spec}, pending.requests)
            if pending.group:
                self._members(pending.namespace, pending.group).assigned.add(pending.uid)

    def snapshot(self) -> Snapshot:
        """Return the current state."""
        with self._lock:
            pending = list(self._pending.values())
            groups = {(pod.namespace, pod.group) for pod in pending if pod.group}
            counts = {key: _group_counts(self._groups.get(key, GroupMembers())) for key in groups}
            return Snapshot(pending, list(self._bound.values()), counts)

    def _add(self, pod: KubeObject) -> bool:
        uid = _uid(pod)
        if uid in self._assumed:
            if not pod["spec"].get("nodeName") and not placement.is_terminated(pod):
                return False  # the informer does not show the binding yet
            self._assumed.discard(uid)
        self._count(pod)
        if placement.is_terminated(pod):
            self._pending.pop(uid, None)
            return self._bound.pop(uid, None) is not None
        previous = self._pending.pop(uid, None)
        if pod["spec"].get("nodeName"):
            bound = self._bound.get(uid)
            self._bound[uid] = _bound_pod(pod, bound.requests if bound else placement.pod_requests(pod))
            return False
        if not placement.is_pending(pod):
            return previous is not None
        if previous is not None and previous.group == _group_name(pod) and previous.pod["spec"] == pod["spec"]:
            self._pending[uid] = replace(previous, pod=pod)
            return False
        self._pending[uid] = _pending_pod(pod, arrival=previous.arrival if previous else None)
        return True

    def _forget(self, pod: KubeObject) -> bool:
        uid = _uid(pod)
        self._assumed.discard(uid)
        self._leave_group(pod)
        was_pending = self._pending.pop(uid, None) is not None
        return self._bound.pop(uid, None) is not None or was_pending

    def _count(self, pod: KubeObject) -> None:
        group, uid = _group_name(pod), _uid(pod)
        if not group:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._leave_group(pod)  # its replacement has to be placed together with the other members
            return
        members = self._members(pod["metadata"]["namespace"], group)
        members.all.add(uid)
        if pod["spec"].get("nodeName"):
            members.assigned.add(uid)
        if pod["spec"].get("schedulingGates"):
            members.gated.add(uid)
        else:
            members.gated.discard(uid)

    def _leave_group(self, pod: KubeObject) -> None:
        key = (pod["metadata"]["namespace"], _group_name(pod))
        members = self._groups.get(key)
        if members is None:
            return
        for uids in (members.all, members.assigned, members.gated):
            uids.discard(_uid(pod))
        if not members.all:
            del self._groups[key]

    def _members(self, namespace: str, group: str) -> GroupMembers:
        return self._groups.setdefault((namespace, group), GroupMembers())


def _pending_pod(pod: KubeObject, *, arrival: tuple[str, int] | None) -> PendingPod:
    metadata, spec = pod["metadata"], pod["spec"]
    amounts = placement.pod_requests(pod)
    constraints = {name: spec[name] for name in _NODE_CONSTRAINTS if spec.get(name)}
    requests = sorted((name, str(amount)) for name, amount in amounts.items())
    return PendingPod(
        pod=pod,
        uid=_uid(pod),
        namespace=metadata["namespace"],
        name=metadata["name"],
        group=_group_name(pod),
        priority=int(spec.get("priority") or 0),
        arrival=arrival or (metadata["creationTimestamp"], int(metadata["resourceVersion"])),
        created=unix_seconds(metadata["creationTimestamp"]),
        requests=amounts,
        equivalence_key=json.dumps([requests, constraints], sort_keys=True),
        gated=bool(spec.get("schedulingGates")),
    )


def _bound_pod(pod: KubeObject, needs: Amounts) -> BoundPod:
    return BoundPod(
        pod=pod,
        uid=_uid(pod),
        namespace=pod["metadata"]["namespace"],
        group=_group_name(pod),
        node=pod["spec"]["nodeName"],
        requests=needs,
        priority=int(pod["spec"].get("priority") or 0),
        created=pod["metadata"]["creationTimestamp"],
        terminating="deletionTimestamp" in pod["metadata"],
    )


def _group_counts(members: GroupMembers) -> GroupCounts:
    return GroupCounts(len(members.all), len(members.assigned), len(members.gated))


def _group_name(pod: KubeObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get(LABEL) or "")


def _uid(pod: KubeObject) -> str:
    return str(pod["metadata"]["uid"])
