"""DELETE of objects and collections: preconditions, grace, finalizers.

An object without grace period and finalizers is removed at once. Otherwise it gets a deletionTimestamp and stays until
the agent has stopped the pod and deletes it with a grace period of zero, and its last finalizer is removed. The garbage
collector deletes its dependents; the propagation policies Foreground and Orphan are finalizers that it removes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import PODS, SERVICES, KubeObject, Resource
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.admission import kind_strategies, metadata
from jupyter_trainjob.cluster.apiserver.requests import request_bodies, request_options, selectors
from jupyter_trainjob.cluster.apiserver.requests.paths import Target
from jupyter_trainjob.cluster.apiserver.requests.selectors import fields_of
from jupyter_trainjob.cluster.apiserver.responses import Body, dump_json, list_response
from jupyter_trainjob.cluster.apiserver.status_errors import Cause
from jupyter_trainjob.cluster.store.object_store import StaleWrite, Store
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from jupyter_trainjob.errors import NotFound
from jupyter_trainjob.kube.transport import Request

_POLICIES = '"Foreground", "Background", "Orphan", "nil"'
_POLICY_FINALIZERS = {"Foreground": FOREGROUND_FINALIZER, "Orphan": ORPHAN_FINALIZER, "Background": None}


class DeleteHandler:
    """Handles DELETE."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def delete(self, request: Request, target: Target) -> Body:
        """Delete one object, or mark it as being deleted."""
        options = _delete_options(request)
        value, removed = self._delete(target.resource, target.key, options)
        if not removed or target.resource in {PODS, SERVICES}:
            return Body(value)
        uid = json.loads(value)["metadata"]["uid"]
        return Body(dump_json(status_errors.success_status(target.resource, target.name or "", uid)))

    def delete_collection(self, request: Request, target: Target) -> Body:
        """Delete the objects that a list with the same query returns; return that list."""
        query, resource = request.query, target.resource
        options = _delete_options(request)
        predicate = selectors.parse_selectors(
            resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        page = self._store.page(resource.qualified, namespace=target.namespace, predicate=predicate)
        for value in page.values:
            meta = json.loads(value)["metadata"]
            try:
                self._delete(resource, (meta.get("namespace") or "", meta["name"]), options)
            except NotFound:
                continue  # deleted meanwhile
        return list_response(resource, {"resourceVersion": str(page.version)}, page.values)

    def _delete(self, resource: Resource, key: tuple[str, str], options: KubeObject) -> tuple[bytes, bool]:
        """Return the object after the deletion, and whether it was removed."""
        if refusal := kind_strategies.deletion_refusal(resource, key[1]):
            raise status_errors.forbidden(resource, key[1], refusal)
        while True:
            stored = self._store.get(resource.qualified, key)
            if stored is None:
                raise status_errors.not_found(resource, key[1])
            version, value = stored
            old = json.loads(value)
            _check_preconditions(resource, old, options.get("preconditions") or {})
            new = self._mark_deleted(resource, old, options)
            removed = metadata.can_be_removed(new)
            if options.get("dryRun"):
                return dump_json(new), removed
            if new == old:
                return value, False
            write = self._store.delete if removed else self._store.put
            try:
                return write(resource.qualified, new, fields=fields_of(resource, new), expected=version), removed
            except StaleWrite:
                continue

    def _mark_deleted(self, resource: Resource, old: KubeObject, options: KubeObject) -> KubeObject:
        """Return the object with its deletion started or its grace period shortened (``rest.BeforeDelete``)."""
        meta = {**old["metadata"]}
        finalizers = _finalizers(list(meta.get("finalizers") or ()), options)
        meta.pop("finalizers", None)
        if finalizers:
            meta["finalizers"] = finalizers
        grace = kind_strategies.grace_seconds(resource, old, options.get("gracePeriodSeconds"))
        current_grace = meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in meta or (current_grace is not None and grace < current_grace):
            timestamp = meta.get("deletionTimestamp")
            start = (
                self._now().timestamp() if timestamp is None else times.unix_seconds(timestamp) - (current_grace or 0)
            )
            meta["deletionTimestamp"] = times.timestamp(start + grace)
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
        return kind_strategies.mark_deleting(resource, {**old, "metadata": meta})


def _delete_options(request: Request) -> KubeObject:
    """Return the DeleteOptions of a request; raises 422 for invalid ones (``ValidateDeleteOptions``)."""
    options = request_bodies.delete_options(request)
    causes = list(request_options.dry_run_causes(options.get("dryRun") or ()))
    policy = options.get("propagationPolicy", "")
    if policy not in {*_POLICY_FINALIZERS, ""}:
        text = f'Unsupported value: "{policy}": supported values: {_POLICIES}'
        causes.append(Cause("propagationPolicy", "FieldValueNotSupported", text))
    if causes:
        raise status_errors.invalid_options("DeleteOptions", causes)
    return options


def _finalizers(current: list[str], options: KubeObject) -> list[str]:
    """Return the finalizers for a propagation policy (``deletionFinalizersForGarbageCollection``)."""
    policy = options.get("propagationPolicy")
    if policy is None and "orphanDependents" in options:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None:
        return current
    added = _POLICY_FINALIZERS[policy]
    others = [name for name in current if name not in {FOREGROUND_FINALIZER, ORPHAN_FINALIZER}]
    return others + ([added] if added else [])


def _check_preconditions(resource: Resource, obj: KubeObject, preconditions: KubeObject) -> None:
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        actual = obj["metadata"][field]
        if preconditions.get(field) not in {None, actual}:
            wanted = preconditions[field]
            message = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {actual}"
            raise status_errors.conflict(resource, obj["metadata"]["name"], message)
