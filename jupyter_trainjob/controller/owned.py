"""Merge patches of what a reconciler owns: the fields that it wants and that differ, and nothing else. Pure functions.

There is no server-side apply in the profile, so ownership is written down here: `overlay` keeps every field that only
the server has (defaults, other writers), and `jobset_patch` names the few places of a JobSet where a field that is no
longer wanted goes away. Those are the places that JobSet allows to change while it is suspended.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from jupyter_trainjob.api.resources import Object

_MERGED_LISTS: Final = frozenset({"replicatedJobs", "containers", "initContainers", "ports"})
_WHOLE_METADATA: Final = ("labels", "annotations")
_WHOLE_POD_SPEC: Final = ("nodeSelector", "tolerations", "schedulingGates")


def overlay(current: Any, wanted: Any, *, field: str = "") -> Any:
    """Return `current` with `wanted` laid over it; lists are replaced, but for those whose items the server fills."""
    if isinstance(current, dict) and isinstance(wanted, dict):
        laid = {name: overlay(current.get(name), value, field=name) for name, value in wanted.items()}
        return {**current, **laid}
    if (
        isinstance(current, list)
        and isinstance(wanted, list)
        and field in _MERGED_LISTS
        and len(current) == len(wanted)
    ):
        pairs = zip(current, wanted, strict=True)
        return [overlay(old, new) if old.get("name") == new.get("name") else new for old, new in pairs]
    return wanted


def jobset_patch(current: Object, wanted: Object) -> Object:
    """Return the merge patch that makes a suspended JobSet what its TrainJob wants; empty if it is that already."""
    spec = copy.deepcopy(overlay(current["spec"], wanted["spec"]))
    for job, new in zip(spec.get("replicatedJobs") or (), wanted["spec"].get("replicatedJobs") or (), strict=True):
        pods, wanted_pods = job["template"]["spec"]["template"], new["template"]["spec"]["template"]
        _replace(pods.setdefault("metadata", {}), wanted_pods.get("metadata") or {}, _WHOLE_METADATA)
        _replace(pods["spec"], wanted_pods["spec"], _WHOLE_POD_SPEC)
        if not pods["metadata"]:
            del pods["metadata"]
    patch: Object = {}
    if changed := {name: value for name, value in spec.items() if value != current["spec"].get(name)}:
        patch["spec"] = changed
    metadata = {
        name: missing
        for name in _WHOLE_METADATA
        if (missing := _missing(current["metadata"].get(name) or {}, wanted["metadata"].get(name) or {}))
    }
    if metadata:
        patch["metadata"] = metadata
    return patch


def _replace(target: Object, source: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        target.pop(field, None)
        if source.get(field):
            target[field] = source[field]


def _missing(current: Object, wanted: Object) -> Object:
    return {name: value for name, value in wanted.items() if current.get(name) != value}
