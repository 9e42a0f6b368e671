"""Merge patches for the fields that a reconciler owns, limited to those that differ. Pure functions.

There is no server-side apply in the profile, so ownership is written down here: `overlay` keeps every field that only
the server has (defaults, other writers), and `jobset_patch` names the few places of a JobSet where a field that is no
longer wanted goes away. Those are the places that JobSet allows to change while it is suspended.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject

_MERGED_LISTS: Final = frozenset({"replicatedJobs", "containers", "initContainers", "ports"})
_WHOLE_METADATA: Final = ("labels", "annotations")
_WHOLE_POD_SPEC: Final = ("nodeSelector", "tolerations", "schedulingGates")


def merge_owned(current: Any, wanted: Any, *, field: str = "") -> Any:
    """Return `current` merged with `wanted`; lists are replaced, except those whose items the server completes."""
    if isinstance(current, dict) and isinstance(wanted, dict):
        laid = {name: merge_owned(current.get(name), value, field=name) for name, value in wanted.items()}
        return {**current, **laid}
    if (
        isinstance(current, list)
        and isinstance(wanted, list)
        and field in _MERGED_LISTS
        and len(current) == len(wanted)
    ):
        pairs = zip(current, wanted, strict=True)
        return [merge_owned(old, new) if old.get("name") == new.get("name") else new for old, new in pairs]
    return wanted


def jobset_patch(current: KubeObject, wanted: KubeObject) -> KubeObject:
    """Return the merge patch from a suspended JobSet to the one of its TrainJob; empty if they are equal."""
    spec = copy.deepcopy(merge_owned(current["spec"], wanted["spec"]))
    for job, new in zip(spec.get("replicatedJobs") or (), wanted["spec"].get("replicatedJobs") or (), strict=True):
        pods, wanted_pods = job["template"]["spec"]["template"], new["template"]["spec"]["template"]
        _replace(pods.setdefault("metadata", {}), wanted_pods.get("metadata") or {}, _WHOLE_METADATA)
        _replace(pods["spec"], wanted_pods["spec"], _WHOLE_POD_SPEC)
        if not pods["metadata"]:
            del pods["metadata"]
    patch: KubeObject = {}
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


def _replace(target: KubeObject, source: KubeObject, fields: tuple[str, ...]) -> None:
    for field in fields:
        target.pop(field, None)
        if source.get(field):
            target[field] = source[field]


def _missing(current: KubeObject, wanted: KubeObject) -> KubeObject:
    return {name: value for name, value in wanted.items() if current.get(name) != value}
