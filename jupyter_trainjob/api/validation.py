"""What an API server refuses, with status 422: what breaks a schema, a CEL rule, a kind's own rules or a webhook's.

The embedded API server calls `validate` after `api.defaults`, before it stores an object. For custom resources the
order is that of a real one: the schema first, then the rules, which may rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_trainjob.api import claims, crds, jobs, jobsets, pods, priorityclasses, schema, shapes, trainjobs
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    PRIORITYCLASSES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    Object,
    Resource,
)
from jupyter_trainjob.api.schema import FieldError

__all__ = ["FieldError", "validate"]


def validate(resource: Resource, new: Object, old: Object | None) -> list[FieldError]:
    """Return everything that is wrong with `new`, which replaces `old` if there is one; empty if nothing is."""
    shape = crds.schema(resource) or shapes.of(resource)
    if shape is None:
        return []
    changed = schema.changed(new, old)
    broken = list(schema.check_fields(shape, new, changed))
    if broken or not changed:
        return broken
    broken = list(schema.check_rules(shape, new, old))
    return [*broken, *_kind(resource, new, old)] if changed - {"status"} else broken


def _kind(resource: Resource, new: Object, old: Object | None) -> Iterator[FieldError]:
    if resource == PODS:
        yield from pods.check(new, old)
    elif resource == JOBS:
        yield from jobs.check(new, old)
    elif resource == JOBSETS:
        yield from jobsets.check(new, old)
    elif resource == PRIORITYCLASSES:
        yield from priorityclasses.check(new, old)
    elif resource == PERSISTENTVOLUMECLAIMS:
        yield from claims.check(new, old)
    elif resource == TRAINJOBS:
        yield from trainjobs.check(new, old)
    elif resource in {TRAININGRUNTIMES, CLUSTERTRAININGRUNTIMES}:
        yield from trainjobs.check_runtime(new, old)
