"""The writing verbs: create, update and patch, of objects and their status; and the binding of pods.

A write is stored only if the version that it is based on is still the newest. Otherwise a client that sent a
resourceVersion gets a 409, and a change without one is repeated on the newer object (``GuaranteedUpdate``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import (
    NAMESPACES,
    PODS,
    PRIORITYCLASSES,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import builtin_types, decoding
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.admission import admission, kind_strategies, metadata, pod_priority
from jupyter_trainjob.cluster.apiserver.requests import patches, request_bodies, request_options
from jupyter_trainjob.cluster.apiserver.requests.paths import Target
from jupyter_trainjob.cluster.apiserver.requests.request_options import WriteOptions
from jupyter_trainjob.cluster.apiserver.requests.selectors import fields_of
from jupyter_trainjob.cluster.apiserver.responses import Body, dump_json, error_response
from jupyter_trainjob.cluster.store.object_store import Precondition, QuotaExceeded, StaleWrite, Store
from jupyter_trainjob.kube.transport import Request

Change = Callable[[KubeObject], KubeObject]
"""Function from the stored object to the one to store; may raise `errors.ApiError`."""

_GENERATED_NAME_TRIES = 8


class WriteHandler:
    """Handles POST, PUT and PATCH."""

    def __init__(self, store: Store, *, now: Callable[[], datetime], check_runtimes: bool = False) -> None:
        self._store = store
        self._now = now
        self._find = self._find_object if check_runtimes else None

    def create(self, request: Request, target: Target) -> Body:
        """Create an object. If a generated name exists already, another one is generated."""
        conflict: errors.AlreadyExists | None = None
        options = request_options.parse_write_options(request.method, request.query)
        for _ in range(_GENERATED_NAME_TRIES):
            obj, unknown = _decode_body(request, target.resource, options)
            warnings = _warnings(unknown, options)
            try:
                created = self.create_object(
                    target.resource, obj, namespace=target.namespace, dry_run=options.dry_run, warn=warnings.append
                )
                return Body(created, status=201, warnings=warnings)
            except errors.AlreadyExists as error:
                if obj["metadata"].get("name"):
                    return error_response(error, warnings)
                conflict = error
            except errors.ApiError as error:
                return error_response(error, warnings)
        raise conflict or status_errors.internal("no name could be generated")

    def create_object(
        self,
        resource: Resource,
        obj: KubeObject,
        *,
        namespace: str | None,
        dry_run: bool = False,
        warn: Callable[[str], object] = lambda _: None,
    ) -> bytes:
        """Create an object and return its stored bytes; modifies `obj`. Raises `errors.ApiError`."""
        obj = metadata.prepare_for_create(resource, obj, namespace=namespace, now=self._now())
        obj = self._with_priority(resource, kind_strategies.prepare_for_create(resource, obj), None)
        obj = admission.admit(resource, obj, None, find=self._find, warn=warn)
        name, key = obj["metadata"]["name"], (namespace or "", obj["metadata"]["name"])
        while True:
            precondition = None if namespace is None else self._namespace_precondition(resource, name, namespace)
            if self._store.entry(resource.qualified, key) is not None:
                raise status_errors.already_exists(resource, name)
            if dry_run:
                return dump_json(obj)
            try:
                return self._store.put(
                    resource.qualified, obj, fields=fields_of(resource, obj), expected=0, precondition=precondition
                )
            except StaleWrite:
                continue  # the name was taken or the namespace has changed: check again
            except QuotaExceeded:
                raise status_errors.exceeded_quota(resource, name, limit=self._store.quota_bytes) from None

    def update(self, request: Request, target: Target) -> Body:
        """Replace an object with the one in the body."""
        options = request_options.parse_write_options(request.method, request.query)
        obj, unknown = _decode_body(request, target.resource, options)
        return self._respond(target, lambda _: deepcopy(obj), options, unknown)

    def patch(self, request: Request, target: Target) -> Body:
        """Apply the patch in the body to an object."""
        options = request_options.parse_write_options(request.method, request.query)
        change = patches.parse_patch(request, target.resource)
        unknown: list[str] = []

        def apply(obj: KubeObject) -> KubeObject:
            kind, api_version = obj["kind"], obj["apiVersion"]
            changed = change(json.loads(dump_json(obj)))
            shown = dump_json(changed).decode()
            result, report = decoding.decode(target.resource, changed, obj)
            if report.error:
                raise status_errors.invalid_patch(shown, report.error)
            if (result.get("kind"), result.get("apiVersion")) != (kind, api_version):
                raise status_errors.bad_request("a patch must not change kind or apiVersion")
            if report.unknown and options.field_validation == "Strict":
                raise status_errors.invalid_patch(shown, _strict_error(report.unknown))
            unknown[:] = report.unknown
            return result

        return self._respond(target, apply, options, unknown)

    def _respond(self, target: Target, change: Change, options: WriteOptions, unknown: list[str]) -> Body:
        """Return the response to an update or patch; an error response has the same warnings."""
        admitted: list[str] = []
        try:
            stored = self._modify(target, change, dry_run=options.dry_run, warn=admitted.append)
        except errors.ApiError as error:
            return error_response(error, [*_warnings(unknown, options), *dict.fromkeys(admitted)])
        return Body(stored, warnings=[*_warnings(unknown, options), *dict.fromkeys(admitted)])

    def bind(self, request: Request, target: Target) -> Body:
        """Bind a pod to a node, once."""
        binding, _ = decoding.decode_as(builtin_types.BINDING, request_bodies.parse_json(request.body or b""))
        node = (binding.get("target") or {}).get("name")
        if not node:
            raise status_errors.bad_request("Binding: target.name is required")
        self._modify(
            Target(PODS, target.namespace, target.name), lambda pod: self._bind_to_node(pod, node), internal=True
        )
        return Body(dump_json(status_errors.success_status()), status=201)

    def _bind_to_node(self, pod: KubeObject, node: str) -> KubeObject:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            raise status_errors.conflict(PODS, name, f"pod {name} is being deleted, cannot be assigned to a host")
        spec = pod.get("spec") or {}
        if spec.get("nodeName"):
            why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
            raise status_errors.conflict(PODS, name, why)
        scheduled = {"type": "PodScheduled", "status": "True"}
        status = pod.get("status") or {}
        now = times.timestamp(self._now())
        new_conditions = conditions.set_condition(status.get("conditions") or [], scheduled, now)
        return {**pod, "spec": {**spec, "nodeName": node}, "status": {**status, "conditions": new_conditions}}

    def _modify(
        self,
        target: Target,
        change: Change,
        *,
        dry_run: bool = False,
        internal: bool = False,
        warn: Callable[[str], object] = lambda _: None,
    ) -> bytes:
        """Store the object as changed by `change` and return it. `internal` changes may include the status."""
        resource, name = target.resource, target.name or ""
        while True:
            stored = self._store.get(resource.qualified, target.key)
            if stored is None:
                raise status_errors.not_found(resource, name)
            version, value = stored
            old = json.loads(value)
            new = change(json.loads(value))
            if not internal:
                # Admission modifies the object in place, so it must not share parts with `old`.
                new = metadata.prepare_for_update(resource, new, json.loads(value), subresource=target.subresource)
                new = self._with_priority(resource, new, old)
                # Webhooks are not called for the status.
                find = self._find if target.subresource is None else None
                new = admission.admit(resource, new, old, find=find, warn=warn)
            if new == old:
                return value
            if dry_run:
                return dump_json(new)
            write = self._store.delete if metadata.can_be_removed(new) else self._store.put
            try:
                return write(resource.qualified, new, fields=fields_of(resource, new), expected=version)
            except StaleWrite:
                continue

    def _with_priority(self, resource: Resource, new: KubeObject, old: KubeObject | None) -> KubeObject:
        """Return a pod with the priority of its class; raises 403 for a second default class."""
        if resource == PODS:
            return (
                pod_priority.keep_priority(new, old)
                if old
                else pod_priority.resolve_priority(new, self._priority_classes())
            )
        if resource == PRIORITYCLASSES:
            pod_priority.check_single_default(new, self._priority_classes())
        return new

    def _find_object(self, resource: Resource, name: str, namespace: str | None) -> KubeObject | None:
        stored = self._store.get(resource.qualified, (namespace or "", name))
        return None if stored is None else json.loads(stored[1])

    def _priority_classes(self) -> list[KubeObject]:
        return [json.loads(value) for value in self._store.page(PRIORITYCLASSES.qualified).values]

    def _namespace_precondition(self, resource: Resource, obj_name: str, name: str) -> Precondition:
        """Return the precondition that a namespace is not being terminated; raises 404 or 403 if it is not usable."""
        entry = self._store.entry(NAMESPACES.qualified, ("", name))
        if entry is None:
            raise status_errors.not_found(NAMESPACES, name)
        if entry.fields.get("status.phase") == "Terminating":
            message = f"unable to create new content in namespace {name} because it is being terminated"
            cause = status_errors.Cause(
                "metadata.namespace", "NamespaceTerminating", f"namespace {name} is being terminated"
            )
            raise status_errors.forbidden(resource, obj_name, message, [cause])
        return Precondition(NAMESPACES.qualified, ("", name), entry.id)


def _decode_body(request: Request, resource: Resource, options: WriteOptions) -> tuple[KubeObject, list[str]]:
    """Return the object in a body and its unknown fields; raises 400 for those with field validation Strict."""
    obj, unknown = request_bodies.decode_object(request, resource)
    if unknown and options.field_validation == "Strict":
        raise status_errors.bad_request(f"{request_bodies.decode_error_prefix(resource)}: {_strict_error(unknown)}")
    return obj, unknown


def _strict_error(unknown: Sequence[str]) -> str:
    return "strict decoding error: " + ", ".join(_unknown_field(path) for path in unknown)


def _warnings(unknown: Sequence[str], options: WriteOptions) -> list[str]:
    return [_unknown_field(path) for path in unknown] if options.field_validation == "Warn" else []


def _unknown_field(path: str) -> str:
    return f'unknown field "{path}"'
