"""What an API server fills in before it stores an object: schema defaults of custom resources, ours and Kubernetes'.

The embedded API server calls `apply` for every object that is created or updated, once it has a name and a uid. On a
real cluster the API server and the webhooks of JobSet and Trainer do this.
"""

from __future__ import annotations

from jupyter_trainjob.api import claims, crds, jobs, jobsets, pods, priorityclasses, schema, shapes, trainjobs
from jupyter_trainjob.api.resources import (
    JOBS,
    JOBSETS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    SERVICES,
    TRAINJOBS,
    Object,
    Resource,
)


def apply(resource: Resource, obj: Object, old: Object | None = None) -> Object:
    """Complete `obj`, in place, and return it. Fields that a custom resource's schema does not know are dropped.

    `old` is what it replaces, for the rules about what has changed. An object whose shape is wrong is left for
    `api.validation` to refuse.
    """
    changed = schema.changed(obj, old)
    shape = crds.schema(resource)
    if shape is not None:
        schema.prune(shape, obj, keep=[name for name in obj if name not in changed])
    if resource == JOBSETS:
        jobsets.name_rules(obj)
    shape = shape or shapes.of(resource)
    if shape is not None:
        schema.default(shape, obj, only=changed)
        if any(schema.check_fields(shape, obj, changed)):
            return obj
    if changed - {"status"} or old is None:
        _complete(resource, obj, old)
    return obj


def _complete(resource: Resource, obj: Object, old: Object | None) -> None:
    if resource == PODS:
        pods.complete(obj)
    elif resource == JOBS:
        jobs.complete(obj)
    elif resource == JOBSETS:
        jobsets.complete(obj)
    elif resource == PRIORITYCLASSES:
        priorityclasses.complete(obj)
    elif resource == PERSISTENTVOLUMECLAIMS:
        claims.complete(obj)
    elif resource == TRAINJOBS:
        trainjobs.complete(obj, old)
    elif resource == SERVICES:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
