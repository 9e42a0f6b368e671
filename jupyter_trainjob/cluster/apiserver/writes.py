"""The writing verbs: create, update and patch, of objects and of their status, and the binding of pods.

Each write is made against the version that was read, and stored only if that is still the newest: a client that sent
a resourceVersion hears 409, everybody else's change is made again on the newer object (``GuaranteedUpdate``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import NAMESPACES, PODS, PRIORITYCLASSES, Object, Resource
from jupyter_trainjob.cluster.apiserver import admission, bodies, metadata, patches, priority, status, strategy
from jupyter_trainjob.cluster.apiserver.paths import Target
from jupyter_trainjob.cluster.apiserver.responses import Body, dumps
from jupyter_trainjob.cluster.apiserver.selectors import fields_of
from jupyter_trainjob.cluster.store import Moved, Store, Within
from jupyter_trainjob.kube.transport import Request

Change = Callable[[Object], Object]
"""From the stored object to the one to store; may raise a refusal."""

_GENERATED_NAME_TRIES = 8


class Writes:
    """Answers to POST, PUT and PATCH."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def create(self, request: Request, target: Target) -> Body:
        """Store a new object. A generated name that is taken is generated again."""
        taken: errors.AlreadyExists | None = None
        for _ in range(_GENERATED_NAME_TRIES):
            sent = self._sent(request, target.resource)
            try:
                dry_run = is_dry_run(request)
                created = self.create_object(target.resource, sent, namespace=target.namespace, dry_run=dry_run)
                return Body(created, status=201)
            except errors.AlreadyExists as error:
                if sent["metadata"].get("name"):
                    raise
                taken = error
        raise taken or status.internal("no name could be generated")

    def create_object(self, resource: Resource, sent: Object, *, namespace: str | None, dry_run: bool = False) -> bytes:
        """Store a new object and return its bytes; uses `sent` up."""
        obj = metadata.created(resource, sent, namespace=namespace, now=self._now())
        obj = self._with_priority(resource, strategy.prepared(resource, obj), None)
        obj = admission.admit(resource, obj, None)
        name, key = obj["metadata"]["name"], (namespace or "", obj["metadata"]["name"])
        while True:
            within = None if namespace is None else self._open_namespace(resource, name, namespace)
            if self._store.entry(resource.qualified, key) is not None:
                raise status.already_exists(resource, name)
            if dry_run:
                return dumps(obj)
            with suppress(Moved):  # somebody took the name, or the namespace has changed: look again
                return self._store.put(
                    resource.qualified, obj, fields=fields_of(resource, obj), expected=0, within=within
                )

    def update(self, request: Request, target: Target) -> Body:
        """Replace an object by the one in the body."""
        return Body(self._modify(target, lambda _: self._sent(request, target.resource), dry_run=is_dry_run(request)))

    def patch(self, request: Request, target: Target) -> Body:
        """Change an object by the patch in the body."""
        change = patches.reader(request, target.resource)

        def patched(obj: Object) -> Object:
            result = change(obj)
            if result.get("kind") != obj["kind"] or result.get("apiVersion") != obj["apiVersion"]:
                raise status.bad_request("a patch must not change kind or apiVersion")
            if not isinstance(result.get("metadata"), dict):
                raise status.bad_request("a patch must not remove metadata")
            _check_fields(request, target.resource, result)
            return result

        return Body(self._modify(target, patched, dry_run=is_dry_run(request)))

    def bind(self, request: Request, target: Target) -> Body:
        """Give a pod its node, once."""
        sent = bodies.loads(request.body or b"")
        node = (sent.get("target") or {}).get("name") if isinstance(sent, dict) else None
        if not node:
            raise status.bad_request("Binding: target.name is required")
        self._modify(Target(PODS, target.namespace, target.name), lambda pod: self._bound(pod, node), internal=True)
        return Body(dumps(status.success()), status=201)

    def _sent(self, request: Request, resource: Resource) -> Object:
        sent = bodies.decode(request, resource)
        _check_fields(request, resource, sent)
        return sent

    def _bound(self, pod: Object, node: str) -> Object:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            raise status.conflict(PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
        spec = pod.get("spec") or {}
        if spec.get("nodeName"):
            why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
            raise status.conflict(PODS, name, why)
        scheduled = {"type": "PodScheduled", "status": "True"}
        status_ = pod.get("status") or {}
        now = times.timestamp(self._now())
        held = conditions.set(status_.get("conditions") or [], scheduled, now)
        return {**pod, "spec": {**spec, "nodeName": node}, "status": {**status_, "conditions": held}}

    def _modify(self, target: Target, change: Change, *, dry_run: bool = False, internal: bool = False) -> bytes:
        """Store what `change` makes of the object, and return it. `internal` changes may touch object and status."""
        resource, name = target.resource, target.name or ""
        while True:
            found = self._store.get(resource.qualified, target.key)
            if found is None:
                raise status.not_found(resource, name)
            version, value = found
            old = json.loads(value)
            new = change(json.loads(value))
            if not internal:
                # Admission completes in place: what it keeps of the stored object must be a copy of its own.
                new = metadata.updated(resource, new, json.loads(value), subresource=target.subresource)
                new = admission.admit(resource, self._with_priority(resource, new, old), old)
            if new == old:
                return value
            if dry_run:
                return dumps(new)
            write = self._store.delete if metadata.is_finished_deleting(new) else self._store.put
            try:
                return write(resource.qualified, new, fields=fields_of(resource, new), expected=version)
            except Moved:
                continue

    def _with_priority(self, resource: Resource, new: Object, old: Object | None) -> Object:
        """Return a pod with the priority of its class; refuse a second class that is the default."""
        if resource == PODS:
            return priority.of_known_pod(new, old) if old else priority.of_new_pod(new, self._priority_classes())
        if resource == PRIORITYCLASSES:
            priority.check_default(new, self._priority_classes())
        return new

    def _priority_classes(self) -> list[Object]:
        return [json.loads(value) for value in self._store.page(PRIORITYCLASSES.qualified).values]

    def _open_namespace(self, resource: Resource, obj_name: str, name: str) -> Within:
        """Return the row of a namespace that takes new objects; a write that counts on it cannot miss its end."""
        entry = self._store.entry(NAMESPACES.qualified, ("", name))
        if entry is None:
            raise status.not_found(NAMESPACES, name)
        if entry.fields.get("status.phase") == "Terminating":
            why = f"unable to create new content in namespace {name} because it is being terminated"
            cause = status.Cause("metadata.namespace", "NamespaceTerminating", f"namespace {name} is being terminated")
            raise status.forbidden(resource, obj_name, why, [cause])
        return Within(NAMESPACES.qualified, ("", name), entry.id)


def _check_fields(request: Request, resource: Resource, sent: Object) -> None:
    if request.query.get("fieldValidation") == "Strict":
        admission.check_known(resource, sent)


def is_dry_run(request: Request) -> bool:
    """Return whether nothing is to be stored; 400 for a way of dry run that does not exist."""
    return dry_run_of(request.query.get("dryRun", ""))


def dry_run_of(*stages: str) -> bool:
    """Return whether these stages of dry run ask for one."""
    asked = {stage for stage in stages if stage}
    if asked - {"All"}:
        raise status.bad_request(f"dryRun: Unsupported value: {sorted(asked)}: supported values: All")
    return bool(asked)
