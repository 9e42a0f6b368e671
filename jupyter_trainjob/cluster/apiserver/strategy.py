"""What some kinds do beside the common rules, as the ``strategy`` of each kind in Kubernetes' registry does.

`prepared` completes a new object (phases, a namespace's finalizer, a secret's stringData), `grace_seconds` says how
long a deletion waits for somebody who has to end something first: only pods that run on a node do.
"""

from __future__ import annotations

import base64

from jupyter_trainjob.api.resources import NAMESPACES, NODES, PODS, SECRETS, Object, Resource
from jupyter_trainjob.cluster.apiserver import status

PROTECTED_NAMESPACES = ("default", "kube-system")
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def prepared(resource: Resource, obj: Object) -> Object:
    """Return a new object as its kind begins."""
    if resource.status and resource != NODES:  # a node registers itself with its status
        obj = {key: value for key, value in obj.items() if key != "status"}
    if resource == PODS:
        return {**obj, "status": {"phase": "Pending"}}
    if resource == NAMESPACES:
        metadata = obj["metadata"]
        labels = {**(metadata.get("labels") or {}), _NAMESPACE_LABEL: metadata.get("name")}
        spec = {**(obj.get("spec") or {}), "finalizers": ["kubernetes"]}
        return {**obj, "metadata": {**metadata, "labels": labels}, "spec": spec, "status": {"phase": "Active"}}
    return normal(resource, obj)


def normal(resource: Resource, obj: Object) -> Object:
    """Return the object without fields that exist for writing only."""
    if resource != SECRETS or "stringData" not in obj:
        return obj
    added = {}
    for key, value in (obj["stringData"] or {}).items():
        if not isinstance(value, str):
            raise status.bad_request(f"Secret stringData.{key}: must be a string")
        added[key] = base64.b64encode(value.encode()).decode()
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return rest | {"data": {**(obj.get("data") or {}), **added}}


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
