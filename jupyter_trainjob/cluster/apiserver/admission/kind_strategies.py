"""Special handling of some kinds, as the ``strategy`` of each kind in Kubernetes' registry.

`prepare_for_create` completes a new object (phase, a namespace's finalizer, a secret's stringData); `grace_seconds`
returns how long a deletion waits for the agent, which only pods on a node need.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from jupyter_trainjob.api.kinds.claims import PROTECTION
from jupyter_trainjob.api.kinds.priority_classes import SYSTEM_NAMES
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
    KubeObject,
    Resource,
)
from jupyter_trainjob.cluster.apiserver.admission import config_data
from jupyter_trainjob.cluster.apiserver.status_errors import Cause

PROTECTED_NAMESPACES = ("default", "kube-system")
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def prepare_for_create(resource: Resource, obj: KubeObject) -> KubeObject:
    """Return a new object with the initial values of its kind (``PrepareForCreate``)."""
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
        labels = {**(metadata.get("labels") or {}), _NAMESPACE_LABEL: metadata.get("name") or ""}
        spec = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
        return {**obj, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": {"phase": "Active"}}
    return without_write_only_fields(resource, obj)


def without_write_only_fields(resource: Resource, obj: KubeObject) -> KubeObject:
    """Return the object without write-only fields: merges a Secret's stringData into its data."""
    if resource != SECRETS:
        return obj
    added = {key: base64.b64encode(value.encode()).decode() for key, value in (obj.get("stringData") or {}).items()}
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    data = {**(obj.get("data") or {}), **added}
    return {"type": "Opaque", **rest} | ({"data": data} if data else {})


def field_causes(resource: Resource, obj: KubeObject, old: KubeObject | None) -> Iterator[Cause]:
    """Yield the invalid fields of a Secret or ConfigMap, or an Event's mismatched namespace."""
    if resource == EVENTS:
        yield from _event_causes(obj)
    if resource == SECRETS:
        yield from config_data.secret_causes(obj, old)
    if resource == CONFIGMAPS:
        yield from config_data.config_map_causes(obj, old)


def _event_causes(event: KubeObject) -> Iterator[Cause]:
    namespace = (event.get("involvedObject") or {}).get("namespace") or "default"
    if namespace != event["metadata"].get("namespace"):
        text = f'Invalid value: "{namespace}": does not match event.namespace'
        yield Cause("involvedObject.namespace", "FieldValueInvalid", text)


def deletion_refusal(resource: Resource, name: str) -> str:
    """Return why an object must not be deleted; empty if it may be."""
    if resource == NAMESPACES and name in PROTECTED_NAMESPACES:
        return "this namespace may not be deleted"
    if resource == PRIORITYCLASSES and name in SYSTEM_NAMES:
        return "this is a system priority class and cannot be deleted"
    return ""


def grace_seconds(resource: Resource, obj: KubeObject, requested: int | None) -> int:
    """Return the grace period of a deletion in seconds; 0: remove at once (``CheckGracefulDelete``)."""
    if resource != PODS:
        return 0
    spec, phase = obj.get("spec") or {}, (obj.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
        return 0
    seconds = spec.get("terminationGracePeriodSeconds", 30) if requested is None else requested
    return 1 if seconds < 0 else int(seconds)


def mark_deleting(resource: Resource, obj: KubeObject) -> KubeObject:
    """Return the object with the status that its kind has during deletion."""
    if resource != NAMESPACES:
        return obj
    return {**obj, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}
