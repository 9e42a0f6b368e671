"""Who owns what: a graph of all objects that have owners or own something, kept from informers' changes.

`garbage` asks it. An object is known by its uid; an owner that is named by somebody but was never seen is not in the
graph, which does not mean that it does not exist: only the API server knows that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from jupyter_trainjob.api.resources import NAMESPACES, Object, Resource
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER


@dataclass(frozen=True, slots=True)
class Node:
    """One object, as far as ownership is concerned."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    version: str
    owners: tuple[Object, ...]
    finalizers: tuple[str, ...]
    is_deleting: bool

    @property
    def waits_for_dependents(self) -> bool:
        """Return whether it is deleted in the foreground: it goes after those that it owns."""
        return self.is_deleting and FOREGROUND_FINALIZER in self.finalizers

    @property
    def releases_dependents(self) -> bool:
        """Return whether it is deleted so that those that it owns stay."""
        return self.is_deleting and ORPHAN_FINALIZER in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Return whether the owner with this uid may not go before this object has."""
        return any(reference["uid"] == owner and reference.get("blockOwnerDeletion") for reference in self.owners)


def node_of(resource: Resource, obj: Object) -> Node:
    """Return the node of an object."""
    metadata = obj["metadata"]
    return Node(
        resource=resource,
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        version=str(metadata["resourceVersion"]),
        owners=tuple(metadata.get("ownerReferences") or ()),
        finalizers=tuple(metadata.get("finalizers") or ()),
        is_deleting="deletionTimestamp" in metadata,
    )


class Graph:
    """The nodes by uid, and the uids of those that each owner owns. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._nodes: dict[str, Node] = {}
        self._owned: dict[str, set[str]] = {}
        self._namespaces: dict[str, Node] = {}

    def get(self, uid: str) -> Node | None:
        """Return the node of an object that exists, as far as is known."""
        with self._lock:
            return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        """Return those who name this uid as an owner, in the order of their names."""
        with self._lock:
            found = [self._nodes[each] for each in self._owned.get(uid, ())]
        return sorted(found, key=lambda node: (node.resource.qualified, node.namespace, node.name))

    def namespace(self, name: str) -> Node | None:
        """Return the namespace of that name, as far as is known."""
        with self._lock:
            return self._namespaces.get(name)

    def change(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        """Take in what an informer saw."""
        before = None if old is None else str(old["metadata"]["uid"])
        now = None if new is None else node_of(resource, new)
        with self._lock:
            former = self._nodes.pop(before, None) if before is not None else None
            if former is not None:
                self._unlink(former)
            if now is not None:
                self._nodes[now.uid] = now
                if now.resource == NAMESPACES:
                    self._namespaces[now.name] = now
                for owner in _uids(now.owners):
                    self._owned.setdefault(owner, set()).add(now.uid)

    def _unlink(self, node: Node) -> None:
        if self._namespaces.get(node.name) is node:
            del self._namespaces[node.name]
        for owner in _uids(node.owners):
            owned = self._owned.get(owner, set())
            owned.discard(node.uid)
            if not owned:
                self._owned.pop(owner, None)


def _uids(references: Iterable[Object]) -> set[str]:
    return {str(reference["uid"]) for reference in references}
