"""The graph of owners and dependents, updated by informers.

Used by `garbage_collector`. Objects are identified by uid. An owner that is referenced but was never observed is not in
the graph, although it may exist: only the API server can tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from jupyter_trainjob.api.resources import NAMESPACES, KubeObject, Resource
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER


@dataclass(frozen=True, slots=True)
class Node:
    """The ownership data of one object."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    version: str
    owners: tuple[KubeObject, ...]
    finalizers: tuple[str, ...]
    is_deleting: bool

    @property
    def waits_for_dependents(self) -> bool:
        """Return whether it is being deleted in the foreground, after its dependents."""
        return self.is_deleting and FOREGROUND_FINALIZER in self.finalizers

    @property
    def releases_dependents(self) -> bool:
        """Return whether it is being deleted and orphans its dependents."""
        return self.is_deleting and ORPHAN_FINALIZER in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Return whether the owner with this uid must wait for the deletion of this object."""
        return any(reference["uid"] == owner and reference.get("blockOwnerDeletion") for reference in self.owners)


def node_of(resource: Resource, obj: KubeObject) -> Node:
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


class OwnerGraph:
    """The nodes by uid, and the uids of each owner's dependents. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}
        self._namespaces: dict[str, Node] = {}

    def get(self, uid: str) -> Node | None:
        """Return the node of an object, None if it was not observed or is deleted."""
        with self._lock:
            return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        """Return the objects that have this uid as an owner, sorted by resource, namespace and name."""
        with self._lock:
            nodes = [self._nodes[dependent] for dependent in self._dependents.get(uid, ())]
        return sorted(nodes, key=lambda node: (node.resource.qualified, node.namespace, node.name))

    def namespace(self, name: str) -> Node | None:
        """Return the node of a namespace, None if it was not observed or is deleted."""
        with self._lock:
            return self._namespaces.get(name)

    def update(self, resource: Resource, old: KubeObject | None, new: KubeObject | None) -> None:
        """Process a change from an informer."""
        old_uid = None if old is None else str(old["metadata"]["uid"])
        new_node = None if new is None else node_of(resource, new)
        with self._lock:
            old_node = self._nodes.pop(old_uid, None) if old_uid is not None else None
            if old_node is not None:
                self._unlink(old_node)
            if new_node is not None:
                self._nodes[new_node.uid] = new_node
                if new_node.resource == NAMESPACES:
                    self._namespaces[new_node.name] = new_node
                for owner in _uids(new_node.owners):
                    self._dependents.setdefault(owner, set()).add(new_node.uid)

    def _unlink(self, node: Node) -> None:
        if self._namespaces.get(node.name) is node:
            del self._namespaces[node.name]
        for owner in _uids(node.owners):
            owned = self._dependents.get(owner, set())
            owned.discard(node.uid)
            if not owned:
                self._dependents.pop(owner, None)


def _uids(references: Iterable[KubeObject]) -> set[str]:
    return {str(reference["uid"]) for reference in references}
