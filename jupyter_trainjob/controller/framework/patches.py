"""Kubernetes' strategic merge patch, for the one type that runtime patches change: the spec of a JobSet.

Used by `info` to lay ``spec.runtimePatches`` over a runtime's template. Kubernetes derives the rules from tags of Go
types; here they are a table of fields. They are few because inside a JobSetSpec a field's name tells its type: lists in
the table are merged by their key, all other lists are replaced, objects are merged, null deletes.

A merged list keeps the patch's order among the items that the patch names, and puts an item that only the original has
where it stood before one of them, else behind (strategicpatch's mergeSortedSlice). Volumes are "retainKeys" upstream,
but only if the patch carries a directive that runtime patches cannot express, so they merge like the others.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from jupyter_trainjob.api.resources import Object

MERGE_KEYS: Final = {
    "containers": "name",
    "dependsOn": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "replicatedJobs": "name",
    "schedulingGates": "name",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


def strategic_merge(original: Object, patch: Object) -> Object:
    """Return `original` changed by `patch`; neither is touched, nor shared with the result."""
    return copy.deepcopy(_merge_object(original, patch))


def merge_template(spec: Object, patches: list[Object]) -> Object:
    """Lay the ``template.spec`` of each runtime patch over a JobSetSpec; replicated jobs keep the runtime's order."""
    order = {job["name"]: position for position, job in enumerate(spec.get("replicatedJobs") or ())}
    merged = spec
    for patch in patches:
        template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
        if template.get("spec"):
            merged = _merge_object(merged, _without_empty(template["spec"]))
    merged = copy.deepcopy(merged)
    if merged.get("replicatedJobs"):
        merged["replicatedJobs"].sort(key=lambda job: order.get(job["name"], 0))
    return merged


def _merge_object(original: Object, patch: Object) -> Object:
    merged = dict(original)
    for field, value in patch.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = _merge_value(field, merged.get(field), value)
    return merged


def _merge_value(field: str, original: Any, patch: Any) -> Any:
    if isinstance(patch, dict):
        return _merge_object(original if isinstance(original, dict) else {}, patch)
    if isinstance(patch, list) and isinstance(original, list) and field in MERGE_KEYS:
        return _merge_list(MERGE_KEYS[field], original, patch)
    return patch


def _merge_list(key: str, original: list[Object], patch: list[Object]) -> list[Object]:
    position = {item.get(key): index for index, item in enumerate(original)}
    named = [
        _merge_object(original[position[item.get(key)]], item) if item.get(key) in position else item for item in patch
    ]
    patched = {item.get(key) for item in patch}
    left = [item for item in original if item.get(key) not in patched]
    merged: list[Object] = []
    for item in named:
        place = position.get(item.get(key))
        while place is not None and left and position[left[0].get(key)] < place:
            merged.append(left.pop(0))
        merged.append(item)
    return merged + left


def _without_empty(patch: Any) -> Any:
    """Drop nulls and empty lists, as Go's ``omitempty`` does on the way into the patch: they clear nothing."""
    if isinstance(patch, dict):
        cleaned = {field: _without_empty(value) for field, value in patch.items()}
        return {field: value for field, value in cleaned.items() if value is not None and value != []}
    if isinstance(patch, list):
        return [_without_empty(item) for item in patch]
    return patch
