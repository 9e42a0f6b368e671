"""Defaults and validation of PersistentVolumeClaims (core/v1 defaults, ``ValidatePersistentVolumeClaim``).

The embedded API server calls `set_defaults` and `validate` for each written claim;
``cluster/controllers/claim_binder.py`` binds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.kinds import pods
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

ACCESS_MODES: Final = {
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOnce": "RWO",
    "ReadWriteOncePod": "RWOP",
}
"""Each mode, and how kubectl shortens it."""
PROTECTION: Final = "kubernetes.io/pvc-protection"
"""The finalizer that every claim begins with: it is not removed while a pod uses the claim."""

_MODES: Final = ("Block", "Filesystem")
_STORAGE: Final = "spec.resources[storage]"


def set_defaults(claim: KubeObject) -> None:
    """Set, in place, the defaults of a claim."""
    claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def validate(claim: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors in a claim; `old` is the claim that it replaces."""
    spec = claim.get("spec") or {}
    yield from _check_access(spec.get("accessModes") or [])
    yield from _check_storage(spec)
    if spec.get("volumeMode", "Filesystem") not in _MODES:
        yield pods.unsupported_error("spec.volumeMode", spec["volumeMode"], _MODES)
    if old is not None and not _is_allowed_change(claim, old):
        message = (
            "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
            "for bound claims"
        )
        yield FieldError("spec", schema.FORBIDDEN, message)


def claim_names_of_pod(pod: KubeObject) -> list[str]:
    """Return the names of the claims that a pod mounts."""
    volumes = pod["spec"].get("volumes") or ()
    return [
        str(volume["persistentVolumeClaim"]["claimName"]) for volume in volumes if "persistentVolumeClaim" in volume
    ]


def _check_access(modes: list[str]) -> Iterator[FieldError]:
    if not modes:
        yield FieldError("spec.accessModes", schema.REQUIRED, "Required value: at least 1 access mode is required")
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield pods.unsupported_error("spec.accessModes", mode, tuple(ACCESS_MODES))
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        message = "Forbidden: may not use ReadWriteOncePod with other access modes"
        yield FieldError("spec.accessModes", schema.FORBIDDEN, message)


def _check_storage(spec: KubeObject) -> Iterator[FieldError]:
    requested = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if requested is None:
        yield FieldError(_STORAGE, schema.REQUIRED, "Required value")
        return
    try:
        is_positive = quantity.parse_quantity(requested) > 0
    except ValueError as problem:
        yield FieldError(_STORAGE, schema.INVALID, f'Invalid value: "{requested}": {problem}')
        return
    if not is_positive:
        yield FieldError(_STORAGE, schema.INVALID, f'Invalid value: "{requested}": must be greater than zero')


def _is_allowed_change(claim: KubeObject, old: KubeObject) -> bool:
    """Return whether the spec may change this way: a volume is set once, and a bound claim may request other sizes."""
    new, before = dict(claim.get("spec") or {}), dict(old.get("spec") or {})
    if not before.get("volumeName"):
        before["volumeName"] = new.get("volumeName")
    if (old.get("status") or {}).get("phase") == "Bound":
        before["resources"] = new.get("resources")
    return {**new, "volumeName": new.get("volumeName")} == before
