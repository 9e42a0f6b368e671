"""Objects of two API servers without what differs by chance, and their differences as text."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import yaml

from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, SECRETS, KubeObject, Resource

_SERVER_FIELDS: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")
_TIMES: Final = ("lastTransitionTime", "time", "deletionTimestamp")
_UID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RACES: Final = (
    # JobSet meets Jobs that it is deleting; ours waits for their end.
    "already exists",
    # Kubeflow Trainer does not see the Secret of ssh keys that it has just created, and applies another one.
    '-mpi-ssh-auth" is invalid: data: Forbidden: field is immutable when `immutable` is set',
)
"""The ends of events by which upstream's controllers report that their caches lag, after which they try again."""
_EMPTY_MEANS_SOMETHING: Final = ("emptyDir",)

Objects = dict[tuple[str, str], Any]
"""Objects by kind, and by namespace and name; events as sorted texts, by namespace."""


def comparable(objects: Iterable[tuple[Resource, KubeObject]]) -> Objects:
    """Return objects without times, generated keys, empty fields and the server's fields; uids by the owner's name."""
    listed = list(objects)
    owners = {obj["metadata"]["uid"]: f"uid of {resource.kind} {obj['metadata']['name']}" for resource, obj in listed}
    text = _UID.sub(lambda uid: owners.get(uid[0], "uid of a deleted object"), json.dumps([obj for _, obj in listed]))
    result: Objects = {}
    events: dict[str, set[str]] = defaultdict(set)
    for (resource, _), obj in zip(listed, json.loads(text), strict=True):
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        if resource == EVENTS:
            if not obj["message"].endswith(_RACES):
                events[namespace].add(_describe_event(obj))
        else:
            result[resource.kind, f"{namespace}/{name}"] = _comparable(resource, obj)
    return result | {(EVENTS.kind, namespace): sorted(texts) for namespace, texts in events.items()}


def _describe_event(event: KubeObject) -> str:
    """Return what an event says; repeated ones count once, since the number of retries is chance."""
    about = event["involvedObject"]
    return f"{event['type']} {event['reason']} of {about['kind']} {about['name']}: {event['message']}"


def _comparable(resource: Resource, obj: KubeObject) -> KubeObject:
    obj = _without_times(obj)
    metadata = {field: value for field, value in obj["metadata"].items() if field not in _SERVER_FIELDS}
    obj = {**obj, "metadata": metadata}
    if resource == SECRETS:
        obj["data"] = dict.fromkeys(obj.get("data") or {}, "")
    if resource == CONFIGMAPS and "runtime" in obj["data"]:
        runtime = yaml.safe_load(obj["data"]["runtime"])
        kept = {field: runtime["metadata"].get(field) for field in ("name", "namespace", "labels", "annotations")}
        obj["data"] = {"runtime": {**runtime, "metadata": kept}}
    result: KubeObject = _without_random_order(_without_empty(obj))
    return result


def _without_random_order(value: Any) -> Any:
    """Sort XGBoost's environment: Kubeflow's plugins run in another order after each start of its controller."""
    if isinstance(value, dict):
        return {field: _without_random_order(inner) for field, inner in value.items()}
    if isinstance(value, list):
        if any(isinstance(item, dict) and str(item.get("name")).startswith("DMLC_") for item in value):
            return sorted(value, key=lambda variable: str(variable["name"]))
        return [_without_random_order(item) for item in value]
    return value


def _without_empty(value: Any) -> Any:
    """Drop empty objects, which Go writes for structs; the sources of volumes mean something."""
    if isinstance(value, dict):
        fields = {field: _without_empty(inner) for field, inner in value.items()}
        return {
            field: inner
            for field, inner in fields.items()
            if field in _EMPTY_MEANS_SOMETHING or inner not in ({}, None)
        }
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {field: "" if field in _TIMES else _without_times(inner) for field, inner in value.items()}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value


def describe(differences: dict[tuple[str, str], tuple[Any, Any]], limit: int = 12) -> str:
    """Return the first differences as text: the fields that differ, upstream's value and ours."""
    lines = [f"{len(differences)} objects differ"]
    for (kind, name), (theirs, ours) in list(differences.items())[:limit]:
        lines += [f"{kind} {name}:", *(f"  {line}" for line in _field_differences("", theirs, ours))]
    return "\n".join(lines)


def _field_differences(path: str, theirs: Any, ours: Any) -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            line
            for field in sorted(theirs.keys() | ours.keys())
            for line in _field_differences(f"{path}.{field}", theirs.get(field), ours.get(field))
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = enumerate(zip(theirs, ours, strict=True))
        return [line for index, (a, b) in pairs for line in _field_differences(f"{path}[{index}]", a, b)]
    return [] if theirs == ours else [f"{path}: {json.dumps(theirs)} | {json.dumps(ours)}"]
