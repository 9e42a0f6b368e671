"""What the scheduler knows of pods: those that wait, those that take room, and how many each group has.

The informer hands in every change of a pod; `PodCache.see` keeps the sums up to date and says whether the change can
lead to a binding, so that a pass never looks at pods that have ended and is not made in vain. What a pass asks of a pod
is worked out once. A binding that the informer does not show yet is remembered until it does (``assume``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, NamedTuple

from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.cluster import placement

_ABOUT_NODES: Final = ("nodeSelector", "affinity", "tolerations")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pod that wants a node."""

    pod: Object
    uid: str
    namespace: str
    name: str
    group: str
    """The name of its PodGroup; empty if it has none."""
    priority: int
    came: tuple[str, int]
    """By when it was made and first seen: times have whole seconds only, versions tell more."""
    since: float
    """When it was made, in unix seconds."""
    needs: Amounts
    likeness: str
    """The same for pods that fit the same nodes."""
    gated: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A pod that takes room on a node."""

    pod: Object
    uid: str
    namespace: str
    group: str
    node: str
    needs: Amounts
    priority: int
    came: str
    ending: bool
    """Whether it has been deleted, and its programs are ending."""


@dataclass(slots=True)
class Members:
    """The pods of a group, by uid: all but dying ones, those that got a node (also if they have ended), and gated."""

    all: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)


class Counts(NamedTuple):
    """How many pods a group has."""

    total: int = 0
    assigned: int = 0
    gated: int = 0


class Snapshot(NamedTuple):
    """What a pass starts from."""

    waiting: list[Waiting]
    bound: list[Bound]
    counts: dict[tuple[str, str], Counts]
    """By namespace and name of the groups that have pods waiting."""


class PodCache:
    """The pods, as the scheduler sees them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, Waiting] = {}
        self._bound: dict[str, Bound] = {}
        self._groups: dict[tuple[str, str], Members] = {}
        self._assumed: set[str] = set()

    def see(self, old: Object | None, new: Object | None) -> bool:
        """Take in a change; return whether it is worth a pass: a pod wants a node, or room became free."""
        with self._lock:
            freed = False
            if old is not None and (new is None or _uid(new) != _uid(old)):
                freed = self._forget(old)
            elif old is not None and new is not None and _group(new) != _group(old):
                self._leave_group(old)
            return (self._take_in(new) if new is not None else False) or freed

    def assume(self, waiting: Waiting, node: str) -> None:
        """Count a pod as bound from now on, whatever the informer still says."""
        with self._lock:
            if self._waiting.pop(waiting.uid, None) is None:
                return  # the informer was faster
            self._assumed.add(waiting.uid)
            spec = {**waiting.pod["spec"], "nodeName": node}
            self._bound[waiting.uid] = _bound({**waiting.pod, "spec": spec}, waiting.needs)
            if waiting.group:
                self._members(waiting.namespace, waiting.group).assigned.add(waiting.uid)

    def snapshot(self) -> Snapshot:
        """Return what there is now."""
        with self._lock:
            waiting = list(self._waiting.values())
            groups = {(pod.namespace, pod.group) for pod in waiting if pod.group}
            counts = {key: _counts(self._groups.get(key, Members())) for key in groups}
            return Snapshot(waiting, list(self._bound.values()), counts)

    def _take_in(self, pod: Object) -> bool:
        uid = _uid(pod)
        if uid in self._assumed:
            if not pod["spec"].get("nodeName") and not placement.has_ended(pod):
                return False  # not heard of the binding yet
            self._assumed.discard(uid)
        self._count(pod)
        if placement.has_ended(pod):
            self._waiting.pop(uid, None)
            return self._bound.pop(uid, None) is not None
        known = self._waiting.pop(uid, None)
        if pod["spec"].get("nodeName"):
            before = self._bound.get(uid)
            self._bound[uid] = _bound(pod, before.needs if before else placement.needs(pod))
            return False
        if not placement.is_waiting(pod):
            return known is not None
        if known is not None and known.group == _group(pod) and known.pod["spec"] == pod["spec"]:
            self._waiting[uid] = replace(known, pod=pod)
            return False
        self._waiting[uid] = _waiting(pod, came=known.came if known else None)
        return True

    def _forget(self, pod: Object) -> bool:
        uid = _uid(pod)
        self._assumed.discard(uid)
        self._leave_group(pod)
        waited = self._waiting.pop(uid, None) is not None
        return self._bound.pop(uid, None) is not None or waited

    def _count(self, pod: Object) -> None:
        group, uid = _group(pod), _uid(pod)
        if not group:
            return
        if "deletionTimestamp" in pod["metadata"]:
            self._leave_group(pod)  # whoever comes in its place has to start with the others, not with it
            return
        members = self._members(pod["metadata"]["namespace"], group)
        members.all.add(uid)
        if pod["spec"].get("nodeName"):
            members.assigned.add(uid)
        if pod["spec"].get("schedulingGates"):
            members.gated.add(uid)
        else:
            members.gated.discard(uid)

    def _leave_group(self, pod: Object) -> None:
        key = (pod["metadata"]["namespace"], _group(pod))
        members = self._groups.get(key)
        if members is None:
            return
        for held in (members.all, members.assigned, members.gated):
            held.discard(_uid(pod))
        if not members.all:
            del self._groups[key]

    def _members(self, namespace: str, group: str) -> Members:
        return self._groups.setdefault((namespace, group), Members())


def _waiting(pod: Object, *, came: tuple[str, int] | None) -> Waiting:
    metadata, spec = pod["metadata"], pod["spec"]
    needs = placement.needs(pod)
    about_nodes = {name: spec[name] for name in _ABOUT_NODES if spec.get(name)}
    asked = sorted((name, str(amount)) for name, amount in needs.items())
    return Waiting(
        pod=pod,
        uid=_uid(pod),
        namespace=metadata["namespace"],
        name=metadata["name"],
        group=_group(pod),
        priority=int(spec.get("priority") or 0),
        came=came or (metadata["creationTimestamp"], int(metadata["resourceVersion"])),
        since=seconds(metadata["creationTimestamp"]),
        needs=needs,
        likeness=json.dumps([asked, about_nodes], sort_keys=True),
        gated=bool(spec.get("schedulingGates")),
    )


def _bound(pod: Object, needs: Amounts) -> Bound:
    return Bound(
        pod=pod,
        uid=_uid(pod),
        namespace=pod["metadata"]["namespace"],
        group=_group(pod),
        node=pod["spec"]["nodeName"],
        needs=needs,
        priority=int(pod["spec"].get("priority") or 0),
        came=pod["metadata"]["creationTimestamp"],
        ending="deletionTimestamp" in pod["metadata"],
    )


def _counts(members: Members) -> Counts:
    return Counts(len(members.all), len(members.assigned), len(members.gated))


def _group(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(LABEL) or "")


def _uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])
