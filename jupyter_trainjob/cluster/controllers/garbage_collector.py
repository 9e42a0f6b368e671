"""The garbage collector: delete objects whose owners or namespaces are gone.

In a real cluster these are two controllers of kube-controller-manager
(https://kubernetes.io/docs/concepts/architecture/garbage-collection/). The dependents of a deleted object are deleted
(background); an object with the finalizer ``foregroundDeletion`` waits for the dependents that block it; one with
``orphan`` first removes itself from the owners of its dependents. All decisions follow from the present state, so that
any step may be repeated or interrupted. An owner that is missing in the graph counts as deleted only if the API server
confirms it by uid: another object may have its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import resources
from jupyter_trainjob.api.resources import EVENTS, NAMESPACES, KubeObject, Resource
from jupyter_trainjob.cluster.controllers.owner_graph import Node, OwnerGraph
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller, Mapper
from jupyter_trainjob.kube.informer import Handler
from jupyter_trainjob.kube.transport import Request
from jupyter_trainjob.kube.workqueue import Key

WATCHED: Final = tuple(resource for resource in resources.ALL if resource != EVENTS)
"""All kinds except Events, which neither own objects nor are owned."""


def controller(client: Client, informers: SharedInformers | None = None) -> Controller:
    """Return the garbage collector; the caller starts it."""
    informers = informers or SharedInformers(client)
    graph = OwnerGraph()
    gc_controller = Controller("garbage", GarbageReconciler(client, graph))
    for resource in WATCHED:
        informer = informers.informer_for(resource)
        # Handlers are called in this order: the graph has to be updated before keys are derived from it.
        informer.on_change(_graph_updater(graph, resource))
        gc_controller.watch(informer, _affected_keys(graph))
    return gc_controller


class GarbageReconciler:
    """Deletes an object, given its uid, if its own state or that of its owners requires it."""

    def __init__(self, client: Client, graph: OwnerGraph) -> None:
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
            self._delete_contents(node)
        elif node.releases_dependents:
            self._orphan_dependents(node)
        elif node.waits_for_dependents:
            self._delete_dependents(node)
        return None

    def _check_owners(self, node: Node) -> None:
        """Delete an object without owners, or remove its references to deleted owners (``attemptToDeleteItem``)."""
        existing, waiting, deleted = [], [], []
        for reference in node.owners:
            owner = self._graph.get(str(reference["uid"]))
            if owner is None and not self._owner_exists(node, reference):
                deleted.append(reference)
            elif owner is not None and owner.waits_for_dependents:
                waiting.append(reference)
            else:
                existing.append(reference)
        if existing and (waiting or deleted):
            self._patch(node, {"ownerReferences": existing})
        elif waiting and not existing:
            self._delete(node, "Foreground" if self._graph.dependents(node.uid) else _propagation_policy(node))
        elif deleted and not existing:
            self._delete(node, _propagation_policy(node))

    def _owner_exists(self, node: Node, reference: KubeObject) -> bool:
        """Return whether the API server has an owner that is not in the graph; unknown kinds count as existing."""
        key = (reference.get("apiVersion"), reference.get("kind"))
        resource = next((kind for kind in resources.ALL if (kind.api_version, kind.kind) == key), None)
        if resource is None:
            return True
        namespace = node.namespace if resource.namespaced else None
        owner = self._client.find(resource, reference["name"], namespace=namespace)
        return owner is not None and owner["metadata"]["uid"] == reference["uid"]

    def _orphan_dependents(self, owner: Node) -> None:
        """Remove the owner's references from its dependents, then its finalizer (``orphanDependents``)."""
        for dependent in self._graph.dependents(owner.uid):
            other_owners = [reference for reference in dependent.owners if reference["uid"] != owner.uid]
            self._patch(dependent, {"ownerReferences": other_owners})
        self._drop_finalizer(owner, ORPHAN_FINALIZER)

    def _delete_dependents(self, owner: Node) -> None:
        """Delete the dependents; once none blocks, remove the owner's finalizer (``processDeletingDependentsItem``)."""
        dependents = self._graph.dependents(owner.uid)
        if not any(dependent.blocks(owner.uid) for dependent in dependents):
            self._drop_finalizer(owner, FOREGROUND_FINALIZER)
            return
        for dependent in dependents:
            if not dependent.is_deleting:
                self._check_owners(dependent)

    def _delete_contents(self, namespace: Node) -> None:
        """Delete all objects in a namespace; once it is empty, finalize it."""
        namespaced = [resource for resource in resources.ALL if resource.namespaced]
        for resource in namespaced:
            self._client.raw(Request("DELETE", resource.path(namespace.name))).read()
        if any(self._client.list(resource, namespace=namespace.name).items for resource in namespaced):
            return  # the deletion of the last one triggers another reconciliation
        stored = self._client.find(NAMESPACES, namespace.name)
        if stored is not None and stored["metadata"]["uid"] == namespace.uid:
            body = {**stored, "spec": {**(stored.get("spec") or {}), "finalizers": []}}
            path = NAMESPACES.path(None, namespace.name, "finalize")
            self._client.raw(Request("PUT", path, {}, json.dumps(body).encode())).read()

    def _delete(self, node: Node, policy: str) -> None:
        with suppress(errors.NotFound):
            self._client.delete(
                node.resource, node.name, namespace=node.namespace or None, propagation=policy, uid=node.uid
            )

    def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        self._patch(node, {"finalizers": [name for name in node.finalizers if name != finalizer]})

    def _patch(self, node: Node, metadata: KubeObject) -> None:
        patch = {"metadata": {**metadata, "uid": node.uid, "resourceVersion": node.version}}
        with suppress(errors.NotFound):
            self._client.patch(node.resource, node.name, patch, namespace=node.namespace or None)


def _graph_updater(graph: OwnerGraph, resource: Resource) -> Handler:
    return lambda old, new: graph.update(resource, old, new)


def _affected_keys(graph: OwnerGraph) -> Mapper:
    """Return a mapper from a changed object to the uids of the objects that may have to be deleted."""

    def mapper(obj: KubeObject) -> Iterable[Key]:
        uid = str(obj["metadata"]["uid"])
        references = obj["metadata"].get("ownerReferences") or ()
        owners = [graph.get(str(reference["uid"])) for reference in references]
        node = graph.get(uid)
        affected = [owner.uid for owner in owners if owner is not None and owner.is_deleting]
        if node is None:
            affected += [dependent.uid for dependent in graph.dependents(uid)]
        elif node.is_deleting or any(owner is None or owner.waits_for_dependents for owner in owners):
            affected.append(uid)
        namespace = graph.namespace(str(obj["metadata"].get("namespace") or ""))
        if namespace is not None and namespace.is_deleting:
            affected.append(namespace.uid)
        return [("", uid) for uid in affected]

    return mapper


def _propagation_policy(node: Node) -> str:
    """Return the propagation policy of an object according to its finalizers; Background by default."""
    if ORPHAN_FINALIZER in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND_FINALIZER in node.finalizers else "Background"
