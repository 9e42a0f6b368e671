"""What some kinds do beside the common rules, as the ``strategy`` of each kind in Kubernetes' registry does.

`prepared` completes a new object (phases, a namespace's finalizer, a secret's stringData), `grace_seconds` says how
long a deletion waits for somebody who has to end something first: only pods that run on a node do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api.claims import PROTECTION
from jupyter_trainjob.api.priorityclasses import SYSTEM_NAMES
from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    SECRETS,
    Object,
    Resource,
)
from jupyter_trainjob.cluster.apiserver import status
from jupyter_trainjob.cluster.apiserver.status import Cause

PROTECTED_NAMESPACES = ("default", "kube-system")
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_BYTES: Final = {SECRETS: ("data",), CONFIGMAPS: ("binaryData",)}
_DATA_KEY: Final = re.compile("[-._a-zA-Z0-9]{1,253}")
_LARGEST_DATA: Final = 1 << 20


def prepared(resource: Resource, obj: Object) -> Object:
    """Return a new object as its kind begins."""
    if resource.status and resource != NODES:  # a node registers itself with its status
        obj = {key: value for key, value in obj.items() if key != "status"}
    if resource == PODS:
        return {**obj, "status": {"phase": "Pending"}}
    if resource == JOBS:
        return {**obj, "status": {}}
    if resource == PERSISTENTVOLUMECLAIMS:
        metadata = obj["metadata"]
        finalizers = list(dict.fromkeys([*(metadata.get("finalizers") or ()), PROTECTION]))
        return {**obj, "metadata": {**metadata, "finalizers": finalizers}, "status": {"phase": "Pending"}}
    if resource == PRIORITYCLASSES:
        return {**obj, "metadata": {**obj["metadata"], "generation": 1}}
    if resource == NAMESPACES:
        metadata = obj["metadata"]
        labels = {**(metadata.get("labels") or {}), _NAMESPACE_LABEL: metadata.get("name")}
        spec = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
        return {**obj, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": {"phase": "Active"}}
    return normal(resource, obj)


def normal(resource: Resource, obj: Object) -> Object:
    """Return the object without fields that exist for writing only; 400 for bytes that are not base64."""
    for field in _BYTES.get(resource, ()):
        for key, value in (obj.get(field) or {}).items():
            _decoded(resource, f"{field}[{key}]", value)
    if resource != SECRETS or "stringData" not in obj:
        return {"type": "Opaque", **obj} if resource == SECRETS else obj
    added = {}
    for key, value in (obj["stringData"] or {}).items():
        if not isinstance(value, str):
            raise status.bad_request(f"Secret stringData.{key}: must be a string")
        added[key] = base64.b64encode(value.encode()).decode()
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return {"type": "Opaque", **rest, "data": {**(obj.get("data") or {}), **added}}


def causes(resource: Resource, obj: Object, old: Object | None) -> Iterator[Cause]:
    """Yield what is wrong with the data of a secret or a config map, or with what an event is about."""
    if resource == EVENTS:
        yield from _event_causes(obj)
    if resource not in {SECRETS, CONFIGMAPS}:
        return
    if old is not None and old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if obj.get(field) != old.get(field):
                text = "Forbidden: field is immutable when `immutable` is set"
                yield Cause(field, "FieldValueForbidden", text)
    size = 0
    for field in ("data", "binaryData"):
        for key, value in (obj.get(field) or {}).items():
            if not isinstance(value, str):
                yield Cause(f"{field}[{key}]", "FieldValueTypeInvalid", f"Invalid value: {value!r}: must be a string")
                continue
            if not _DATA_KEY.fullmatch(key):
                text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
                yield Cause(f"{field}[{key}]", "FieldValueInvalid", f'Invalid value: "{key}": {text}')
            if resource == SECRETS or field == "binaryData":
                size += len(_decoded(resource, f"{field}[{key}]", value))
            else:
                size += len(value.encode())
    if size > _LARGEST_DATA:
        yield Cause("data", "FieldValueTooLong", f"Too long: may not be more than {_LARGEST_DATA} bytes")


def _event_causes(event: Object) -> Iterator[Cause]:
    about = (event.get("involvedObject") or {}).get("namespace") or "default"
    if about != event["metadata"].get("namespace"):
        text = f'Invalid value: "{about}": does not match event.namespace'
        yield Cause("involvedObject.namespace", "FieldValueInvalid", text)


def _decoded(resource: Resource, path: str, value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except ValueError:
        why = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise status.bad_request(f"{why}: {path}: illegal base64 data") from None


def undeletable(resource: Resource, name: str) -> str:
    """Return why an object may not be deleted; empty if it may."""
    if resource == NAMESPACES and name in PROTECTED_NAMESPACES:
        return "this namespace may not be deleted"
    if resource == PRIORITYCLASSES and name in SYSTEM_NAMES:
        return "this is a system priority class and cannot be deleted"
    return ""


def grace_seconds(resource: Resource, obj: Object, asked: int | None) -> int:
    """Return how long the deletion of an object may take; 0: it is removed at once (``CheckGracefulDelete``)."""
    if resource != PODS:
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    seconds = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return 1 if seconds < 0 else int(seconds)


def deleting(resource: Resource, obj: Object) -> Object:
    """Return the object as its kind shows that it is being deleted."""
    if resource != NAMESPACES:
        return obj
    return {**obj, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}
