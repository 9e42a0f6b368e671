"""The garbage collector: what is owned goes with its owners, and what is in a namespace goes with the namespace.

In a real cluster these are two controllers of kube-controller-manager. Deletions come from the API server's objects:
one that is gone takes its dependents with it (background); one with the finalizer ``foregroundDeletion`` waits for
those that block it; one with ``orphan`` lets its dependents go first. Every question is asked of what is there now, so
any of it may be done twice or be interrupted. An owner that the copy does not know counts as gone only if the API
server says so, by uid: somebody else may have its name by now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import resources
from jupyter_trainjob.api.resources import EVENTS, NAMESPACES, Object, Resource
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.cluster.ownership import Graph, Node
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, Mapper
from jupyter_trainjob.kube.informer import Handler
from jupyter_trainjob.kube.transport import Request
from jupyter_trainjob.kube.workqueue import Key

WATCHED: Final = tuple(resource for resource in resources.ALL if resource != EVENTS)
"""Events own nothing and nobody owns them; all others take part."""


def controller(client: Client, informers: Informers | None = None) -> Controller:
    """Return the garbage collector, not started."""
    informers = informers or Informers(client)
    graph = Graph()
    made = Controller("garbage", GarbageReconciler(client, graph))
    for resource in WATCHED:
        informer = informers.of(resource)
        # First the graph, then the keys that follow from it: handlers are called in this order.
        informer.on_change(_keeper(graph, resource))
        made.watch(informer, _concerned(graph))
    return made


class GarbageReconciler:
    """Brings one object, known by its uid, nearer to its end, if the state of its owners or its own asks for that."""

    def __init__(self, client: Client, graph: Graph) -> None:
        self._client = client
        self._graph = graph

    def reconcile(self, namespace: str, name: str) -> float | None:  # noqa: ARG002 - the key is ("", uid)
        """Reconcile the object with the uid `name`."""
        node = self._graph.get(name)
        if node is None:
            return None
        if not node.is_deleting:
            self._check_owners(node)
        elif node.resource == NAMESPACES:
            self._empty(node)
        elif node.releases_dependents:
            self._release(node)
        elif node.waits_for_dependents:
            self._clear(node)
        return None

    def _check_owners(self, node: Node) -> None:
        """Delete what nobody owns any more, forget owners that are gone (``attemptToDeleteItem``)."""
        solid, waiting, gone = [], [], []
        for reference in node.owners:
            owner = self._graph.get(str(reference["uid"]))
            if owner is None and not self._exists(node, reference):
                gone.append(reference)
            elif owner is not None and owner.waits_for_dependents:
                waiting.append(reference)
            else:
                solid.append(reference)
        if solid and (waiting or gone):
            self._patch(node, {"ownerReferences": solid})
        elif waiting and not solid:
            self._delete(node, "Foreground" if self._graph.dependents(node.uid) else _policy(node))
        elif gone and not solid:
            self._delete(node, _policy(node))

    def _exists(self, node: Node, reference: Object) -> bool:
        """Ask the API server for an owner that the graph does not know. Kinds that it does not serve count as there."""
        key = (reference.get("apiVersion"), reference.get("kind"))
        resource = next((each for each in resources.ALL if (each.api_version, each.kind) == key), None)
        if resource is None:
            return True
        namespace = node.namespace if resource.namespaced else None
        owner = self._client.find(resource, reference["name"], namespace=namespace)
        return owner is not None and owner["metadata"]["uid"] == reference["uid"]

    def _release(self, owner: Node) -> None:
        """Let the dependents go without an owner, then let the owner go (``orphanDependents``)."""
        for dependent in self._graph.dependents(owner.uid):
            rest = [reference for reference in dependent.owners if reference["uid"] != owner.uid]
            self._patch(dependent, {"ownerReferences": rest})
        self._drop_finalizer(owner, ORPHAN_FINALIZER)

    def _clear(self, owner: Node) -> None:
        """Delete the dependents; once none is left that blocks the owner, let it go (``processDeletingDependents``)."""
        dependents = self._graph.dependents(owner.uid)
        if not any(dependent.blocks(owner.uid) for dependent in dependents):
            self._drop_finalizer(owner, FOREGROUND_FINALIZER)
            return
        for dependent in dependents:
            if not dependent.is_deleting:
                self._check_owners(dependent)

    def _empty(self, namespace: Node) -> None:
        """Delete everything in a namespace; once nothing is left, let the namespace go."""
        inside = [resource for resource in resources.ALL if resource.namespaced]
        for resource in inside:
            self._client.raw(Request("DELETE", resource.path(namespace.name))).read()
        if any(self._client.list(resource, namespace=namespace.name).items for resource in inside):
            return  # the last of them to go will bring us here again
        found = self._client.find(NAMESPACES, namespace.name)
        if found is not None and found["metadata"]["uid"] == namespace.uid:
            body = {**found, "spec": {**(found.get("spec") or {}), "finalizers": []}}
            path = NAMESPACES.path(None, namespace.name, "finalize")
            self._client.raw(Request("PUT", path, {}, json.dumps(body).encode())).read()

    def _delete(self, node: Node, policy: str) -> None:
        with suppress(errors.NotFound):
            self._client.delete(
                node.resource, node.name, namespace=node.namespace or None, propagation=policy, uid=node.uid
            )

    def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        self._patch(node, {"finalizers": [each for each in node.finalizers if each != finalizer]})

    def _patch(self, node: Node, metadata: Object) -> None:
        patch = {"metadata": {**metadata, "uid": node.uid, "resourceVersion": node.version}}
        with suppress(errors.NotFound):
            self._client.patch(node.resource, node.name, patch, namespace=node.namespace or None)


def _keeper(graph: Graph, resource: Resource) -> Handler:
    return lambda old, new: graph.change(resource, old, new)


def _concerned(graph: Graph) -> Mapper:
    """Return a mapper from an object that changed to the uids of those that may now have to go."""

    def mapper(obj: Object) -> Iterable[Key]:
        uid = str(obj["metadata"]["uid"])
        references = obj["metadata"].get("ownerReferences") or ()
        owners = [graph.get(str(reference["uid"])) for reference in references]
        node = graph.get(uid)
        found = [owner.uid for owner in owners if owner is not None and owner.is_deleting]
        if node is None:
            found += [dependent.uid for dependent in graph.dependents(uid)]
        elif node.is_deleting or any(owner is None or owner.waits_for_dependents for owner in owners):
            found.append(uid)
        namespace = graph.namespace(str(obj["metadata"].get("namespace") or ""))
        if namespace is not None and namespace.is_deleting:
            found.append(namespace.uid)
        return [("", each) for each in found]

    return mapper


def _policy(node: Node) -> str:
    """Return how to delete an object: as its own finalizers already say, else in the background."""
    if ORPHAN_FINALIZER in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND_FINALIZER in node.finalizers else "Background"
