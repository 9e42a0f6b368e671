"""DELETE of objects and collections: preconditions, grace, finalizers.

An object that nobody has to let go of is removed at once. Otherwise it gets a deletionTimestamp and stays until its
grace is over (the agent ends a pod's processes, then deletes with zero seconds) and its last finalizer is gone. What it
owns is the garbage collector's: propagation Foreground and Orphan are finalizers that it works off.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import PODS, SERVICES, Object, Resource
from jupyter_trainjob.cluster.apiserver import bodies, metadata, selectors, status, strategy
from jupyter_trainjob.cluster.apiserver.paths import Target
from jupyter_trainjob.cluster.apiserver.responses import Body, dumps, listed
from jupyter_trainjob.cluster.apiserver.selectors import fields_of
from jupyter_trainjob.cluster.apiserver.writes import dry_run_of
from jupyter_trainjob.cluster.store import Moved, Store
from jupyter_trainjob.constants import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from jupyter_trainjob.errors import NotFound
from jupyter_trainjob.kube.transport import Request

_FINALIZER_OF = {"Foreground": FOREGROUND_FINALIZER, "Orphan": ORPHAN_FINALIZER, "Background": None}


class Deletion:
    """Answers to DELETE."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def one(self, request: Request, target: Target) -> Body:
        """Delete one object, or begin to."""
        options = bodies.options(request)
        value, gone = self._delete(target.resource, target.key, options)
        if not gone or target.resource in {PODS, SERVICES}:
            return Body(value)
        uid = json.loads(value)["metadata"]["uid"]
        return Body(dumps(status.success(target.resource, target.name or "", uid)))

    def collection(self, request: Request, target: Target) -> Body:
        """Delete what a list with the same query would show; answer that list."""
        query, resource = request.query, target.resource
        options = bodies.options(request)
        wanted = selectors.predicate(
            resource, labels=query.get("labelSelector", ""), fields=query.get("fieldSelector", "")
        )
        page = self._store.page(resource.qualified, namespace=target.namespace, wanted=wanted)
        for value in page.values:
            meta = json.loads(value)["metadata"]
            try:
                self._delete(resource, (meta.get("namespace") or "", meta["name"]), options)
            except NotFound:
                continue  # somebody else was quicker
        return listed(resource, {"resourceVersion": str(page.version)}, page.values)

    def _delete(self, resource: Resource, key: tuple[str, str], options: Object) -> tuple[bytes, bool]:
        """Return the object after the deletion (or its beginning), and whether it is gone."""
        if why := strategy.undeletable(resource, key[1]):
            raise status.forbidden(resource, key[1], why)
        while True:
            found = self._store.get(resource.qualified, key)
            if found is None:
                raise status.not_found(resource, key[1])
            version, value = found
            old = json.loads(value)
            _check_preconditions(resource, old, options.get("preconditions") or {})
            new = self._marked(resource, old, options)
            gone = metadata.is_finished_deleting(new)
            if dry_run_of(*(options.get("dryRun") or ())):
                return dumps(new), gone
            if new == old:
                return value, False
            write = self._store.delete if gone else self._store.put
            try:
                return write(resource.qualified, new, fields=fields_of(resource, new), expected=version), gone
            except Moved:
                continue

    def _marked(self, resource: Resource, old: Object, options: Object) -> Object:
        """Return the object with its deletion begun, or hurried up (``rest.BeforeDelete``)."""
        meta = {**old["metadata"]}
        finalizers = _finalizers(list(meta.get("finalizers") or ()), options)
        meta.pop("finalizers", None)
        if finalizers:
            meta["finalizers"] = finalizers
        grace = strategy.grace_seconds(resource, old, _grace(options))
        before = meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in meta or (before is not None and grace < before):
            marked = meta.get("deletionTimestamp")
            began = self._now().timestamp() if marked is None else times.seconds(marked) - (before or 0)
            meta["deletionTimestamp"] = times.timestamp(began + grace)
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1
        return strategy.deleting(resource, {**old, "metadata": meta})


def _finalizers(held: list[str], options: Object) -> list[str]:
    """Return the finalizers that a propagation policy leaves (``deletionFinalizersForGarbageCollection``)."""
    policy = options.get("propagationPolicy")
    if policy is None and "orphanDependents" in options:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None:
        return held
    if policy not in _FINALIZER_OF:
        wanted = ", ".join(f'"{name}"' for name in (*_FINALIZER_OF, ""))
        text = f'Invalid value: "{policy}": must be one of {wanted}'
        raise status.failure(422, "Invalid", f"DeleteOptions.meta.k8s.io is invalid: propagationPolicy: {text}")
    added = _FINALIZER_OF[policy]
    kept = [each for each in held if each not in {FOREGROUND_FINALIZER, ORPHAN_FINALIZER}]
    return kept + ([added] if added else [])


def _check_preconditions(resource: Resource, obj: Object, wanted: Object) -> None:
    for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        has = obj["metadata"][field]
        if wanted.get(field) not in {None, has}:
            why = f"Precondition failed: {word} in precondition: {wanted[field]}, {word} in object meta: {has}"
            raise status.conflict(resource, obj["metadata"]["name"], why)


def _grace(options: Object) -> int | None:
    seconds: Any = options.get("gracePeriodSeconds")
    if seconds is not None and (not isinstance(seconds, int) or isinstance(seconds, bool)):
        raise status.bad_request("gracePeriodSeconds: must be a whole number")
    return seconds
