"""Refuse invalid objects with status 422: by schema, CEL rules, or the rules of a built-in kind.

The embedded API server calls `validate` after `api.admission.defaults`, and `api.admission.webhooks` after that. For
custom resources the order is that of a real one: the schema first, then the rules, which may rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api.kinds import claims, jobs, pods, priority_classes
from jupyter_trainjob.api.resources import JOBS, PERSISTENTVOLUMECLAIMS, PODS, PRIORITYCLASSES, KubeObject, Resource
from jupyter_trainjob.api.schemas import crds, schema
from jupyter_trainjob.api.schemas.schema import FieldError

BLOCKING: Final = frozenset({schema.REQUIRED, schema.UNSUPPORTED, schema.TOO_LONG, schema.TOO_MANY, schema.WRONG_TYPE})
"""Schema errors after which CEL rules are not evaluated (``hasBlockingErr`` in apiextensions-apiserver)."""
_RULES_NOT_CHECKED: Final = FieldError(
    "<nil>",
    schema.INVALID,
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)

__all__ = ["FieldError", "validate"]


def validate(resource: Resource, new: KubeObject, old: KubeObject | None, *, blocked: bool = False) -> list[FieldError]:
    """Return all errors of `new`, which replaces `old` if given; empty if it is valid.

    `blocked` means that its metadata is invalid, so that CEL rules are not evaluated.
    """
    changed = schema.changed_fields(new, old)
    if not changed:
        return []
    shape = crds.structural_schema(resource)
    if shape is None:
        return list(_validate_kind(resource, new, old)) if changed - {"status"} else []
    errors = list(schema.validate_fields(shape, new, changed))
    if not blocked and not any(error.reason in BLOCKING for error in errors):
        return [*errors, *schema.validate_rules(shape, new, old)]
    return [*errors, _RULES_NOT_CHECKED] if schema.has_rules(shape) else errors


def _validate_kind(resource: Resource, new: KubeObject, old: KubeObject | None) -> Iterator[FieldError]:
    if resource == PODS:
        yield from pods.validate(new, old)
    elif resource == JOBS:
        yield from jobs.validate(new, old)
    elif resource == PRIORITYCLASSES:
        yield from priority_classes.validate(new, old)
    elif resource == PERSISTENTVOLUMECLAIMS:
        yield from claims.validate(new, old)
