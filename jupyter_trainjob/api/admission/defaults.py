"""Fill in defaults before an object is stored: schema defaults of custom resources, ours and Kubernetes'.

The embedded API server calls `apply_defaults` for every object that is created or updated, once it has a name and a
uid. On a real cluster the API server and the webhooks of JobSet and Trainer do this.
"""

from __future__ import annotations

from jupyter_trainjob.api.kinds import claims, jobs, jobsets, pods, priority_classes, trainjobs
from jupyter_trainjob.api.resources import (
    JOBS,
    JOBSETS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    SERVICES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import crds, schema


def apply_defaults(resource: Resource, obj: KubeObject, old: KubeObject | None = None) -> KubeObject:
    """Set defaults of `obj`, in place, and return it. It comes from `api.schemas.decoding`.

    `old` is the object that it replaces, for rules about changes. A custom resource that violates its schema is left
    for `api.admission.validation` to reject.
    """
    changed = schema.changed_fields(obj, old)
    shape = crds.structural_schema(resource)
    if resource == JOBSETS:
        jobsets.name_failure_rules(obj)
    if shape is not None:
        schema.apply_defaults(shape, obj, only=changed)
        if any(schema.validate_fields(shape, obj, changed)):
            return obj
    if changed - {"status"} or old is None:
        _set_builtin_defaults(resource, obj, old)
    return obj


def _set_builtin_defaults(resource: Resource, obj: KubeObject, old: KubeObject | None) -> None:
    if resource == PODS:
        pods.set_defaults(obj)
    elif resource == JOBS:
        jobs.set_defaults(obj)
    elif resource == JOBSETS:
        jobsets.set_defaults(obj)
    elif resource == PRIORITYCLASSES:
        priority_classes.set_defaults(obj)
    elif resource == PERSISTENTVOLUMECLAIMS:
        claims.set_defaults(obj)
    elif resource == TRAINJOBS:
        trainjobs.set_patch_times(obj, old)
    elif resource == SERVICES:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
