"""Remove from a TrainJob the empty values that Go's ``omitempty`` omits.

Controllers written in Go decode a TrainJob into structs and encode all of it, dropping ``env: []`` or ``readOnly:
false``. Kubeflow Trainer compares a field with its old value as JSON, so it rejects such a write as a change of an
immutable field: a job that Kueue admits then never starts (https://github.com/kubeflow/trainer/issues/3888). All
objects that are sent or exported pass through `omit_empty`.

Not removed are pointers of the Go types, whose empty value has a meaning (``emptyDir: {}``, ``allowPrivilegeEscalation:
false``, ``suspend: false``), the entries of maps, and the items of lists.
"""

from __future__ import annotations

from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

MAPS: Final = frozenset(
    {
        "annotations",
        "labels",
        "limits",
        "matchLabels",
        "nodeSelector",
        "options",
        "requests",
        "userAnnotations",
        "volumeAttributes",
    }
)
"""Fields of a TrainJob whose keys are the user's own; every other object is a struct."""
VALUE_FIELDS: Final = frozenset({"chapAuthDiscovery", "chapAuthSession", "partition", "readOnly", "sslEnabled"})
"""Booleans and integers of a TrainJob that are no pointers: absent, false and zero are the same."""
POINTERS: Final = frozenset({"storageClassName", "volumeAttributesClassName"})
"""Strings whose empty value means something else than their absence (``storageClassName: ""``: no provisioning)."""


def omit_empty(obj: KubeObject) -> KubeObject:
    """Return a copy of a TrainJob, or of a part of one, without explicit empty values."""
    result = {}
    for name, value in obj.items():
        cleaned = dict(value) if name in MAPS and isinstance(value, dict) else _omit_nested(value)
        if not _is_omitted(name, cleaned):
            result[name] = cleaned
    return result


def _omit_nested(value: Any) -> Any:
    if isinstance(value, dict):
        return omit_empty(value)
    return [_omit_nested(item) for item in value] if isinstance(value, list | tuple) else value


def _is_omitted(name: str, value: Any) -> bool:
    if value is None or value == []:
        return True
    if value == "":
        return name not in POINTERS
    return (value == {} and name in MAPS) or (not value and name in VALUE_FIELDS)
