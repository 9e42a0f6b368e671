"""Hypothesis strategies for objects of every served kind: valid ones with one to three changed values.

`misshapen` puts a value of a wrong type, or an unknown field, anywhere in the schema of a kind. `odd` puts
values of the right type but of any size into the fields that the embedded cluster reads: empty, negative, huge, absent.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    CONFIGMAPS,
    EVENTS,
    JOBS,
    JOBSETS,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODGROUPS,
    PODS,
    PRIORITYCLASSES,
    SECRETS,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import builtin_types, crds
from jupyter_trainjob.api.schemas.builtin_types import Schema

from .pair import object_of
from .server import job, jobset, pod, trainjob

Path = tuple[str | int, ...]

_RUNTIME: Final[KubeObject] = {
    "metadata": {"name": "x"},
    "spec": {
        "mlPolicy": {"numNodes": 1},
        "template": {"spec": {"replicatedJobs": [{"name": "node", "template": job("")}]}},
    },
}
_EVENT: Final[KubeObject] = {"metadata": {"name": "x"}, "involvedObject": {"kind": "Pod", "name": "p"}, "reason": "R"}
_CLAIM: Final[KubeObject] = {
    "metadata": {"name": "x"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
_PATCH: Final[KubeObject] = {
    "manager": "acme.io/x",
    "trainingRuntimeSpec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"replicatedJobs": []}}},
}
VALID: Final[dict[Resource, KubeObject]] = {
    NAMESPACES: {"metadata": {"name": "x"}},
    NODES: {"metadata": {"name": "x"}, "spec": {"unschedulable": True}},
    PODS: pod("x"),
    SERVICES: {"metadata": {"name": "x"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}}},
    CONFIGMAPS: {"metadata": {"name": "x"}, "data": {"a": "b"}},
    SECRETS: {"metadata": {"name": "x"}, "data": {"a": "Yg=="}},
    PERSISTENTVOLUMECLAIMS: _CLAIM,
    EVENTS: _EVENT,
    JOBS: job("x"),
    PRIORITYCLASSES: {"metadata": {"name": "x"}, "value": 1},
    PODGROUPS: {"metadata": {"name": "x"}, "spec": {"minMember": 1}},
    JOBSETS: jobset("x"),
    TRAINJOBS: trainjob("x", trainer={"numNodes": 1, "image": "i"}, runtimePatches=[_PATCH]),
    TRAININGRUNTIMES: _RUNTIME,
    CLUSTERTRAININGRUNTIMES: _RUNTIME,
}
"""A small valid object of every kind."""

_WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "string": (1, True, 1.5, [], {}, ["x"]),
    "integer": ("1", True, 1.5, [], {}),
    "number": ("1", True, [], {}),
    "boolean": ("true", 1, [], {}),
    "array": ("x", 1, {}, True),
    "object": ("x", 1, [], True),
}
_ODD: Final[dict[str, tuple[Any, ...]]] = {
    "string": (None, "", "x", "X_y", "a/b", "a" * 64, "a" * 254),
    "integer": (None, 0, 1, -1, 7),
    "number": (None, 0, 1.5),
    "boolean": (None, True, False),
    "array": (None, []),
    "object": (None, {}),
}
_DEPTH: Final = 7
_GIVEN: Final = ("kind", "apiVersion", "resourceVersion")
"""Fields whose odd values are in the table of `test_same_answers`."""
_META: Final = {"$ref": f"#/components/schemas/{builtin_types.OBJECT_META}"}
_READ: Final[dict[Resource, tuple[str, ...]]] = {
    PODS: (
        "spec.restartPolicy",
        "spec.terminationGracePeriodSeconds",
        "spec.nodeSelector",
        "spec.volumes",
        "spec.containers",
        "spec.initContainers",
        "spec.containers.0.name",
        "spec.containers.0.image",
        "spec.containers.0.command",
        "spec.containers.0.args",
        "spec.containers.0.env",
        "spec.containers.0.volumeMounts",
        "spec.containers.0.resources",
        "spec.containers.0.stdin",
    ),
    JOBS: (
        "spec.parallelism",
        "spec.completions",
        "spec.backoffLimit",
        "spec.activeDeadlineSeconds",
        "spec.ttlSecondsAfterFinished",
        "spec.completionMode",
        "spec.suspend",
        "spec.template.spec.restartPolicy",
        "spec.template.spec.containers",
    ),
    CONFIGMAPS: ("data", "binaryData", "immutable", "data.a"),
    SECRETS: ("data", "stringData", "immutable", "type"),
    PERSISTENTVOLUMECLAIMS: ("spec.accessModes", "spec.volumeName"),
    EVENTS: ("message", "reason", "count", "type"),
    PRIORITYCLASSES: ("value", "globalDefault", "description", "preemptionPolicy"),
    NODES: ("spec.unschedulable", "spec.taints"),
    NAMESPACES: ("spec.finalizers",),
    SERVICES: ("spec.selector", "spec.publishNotReadyAddresses"),
}
"""The fields of built-in kinds that the embedded cluster reads: what a real server says about others is its own."""
_READ_OF_ALL: Final = ("metadata.name", "metadata.labels", "metadata.annotations", "metadata.finalizers")


def schema_of(resource: Resource) -> Schema:
    """Return the schema of a kind, custom resources' metadata included."""
    name = builtin_types.definition_name(resource)
    if name is not None:
        return builtin_types.definitions()[name]
    structural = crds.structural_schema(resource) or {}
    return {**structural, "properties": {**structural["properties"], "metadata": _META}}


@st.composite
def misshapen(draw: st.DrawFn, resource: Resource) -> KubeObject:
    """Return an object with a value of a wrong type, or with an unknown field."""
    obj = deepcopy(VALID[resource])
    path, schema = _draw_path(draw, schema_of(resource), obj)
    if draw(st.booleans()) and "properties" in schema and isinstance(_value(obj, path), dict):
        _put(obj, (*path, "unknownField"), draw(st.sampled_from((1, "x", None))))
    else:
        _put(obj, path, deepcopy(draw(st.sampled_from(_WRONG[_kind(schema)]))))
    return object_of(resource, obj)


@st.composite
def odd(draw: st.DrawFn, resource: Resource) -> KubeObject:
    """Return an object with one to three unusual values of the right type."""
    obj = deepcopy(VALID[resource])
    for _ in range(draw(st.integers(1, 3))):
        if resource in _READ:
            of_all = _READ_OF_ALL if resource != JOBS else _READ_OF_ALL[1:]  # a Job's name makes labels of its pods
            path = _parsed(draw(st.sampled_from((*_READ[resource], *of_all))))
            schema = _at(schema_of(resource), path)
        else:
            path, schema = _draw_path(draw, schema_of(resource), obj)
        choices = schema.get("enum", ())
        _put(obj, path, deepcopy(draw(st.sampled_from((*_ODD[_kind(schema)], *choices)))))
    return object_of(resource, obj)


def _draw_path(draw: st.DrawFn, schema: Schema, obj: KubeObject) -> tuple[Path, Schema]:
    """Return a path in an object, mostly an existing one, and its schema."""
    path: Path = ()
    value: Any = obj
    for _ in range(draw(st.integers(1, _DEPTH))):
        schema = _resolved(schema)
        if schema.get("properties"):
            present = [name for name in schema["properties"] if isinstance(value, dict) and name in value]
            prefers_present: bool = draw(st.booleans())
            names = present if present and prefers_present else sorted(schema["properties"])
            step: str | int = draw(st.sampled_from([name for name in names if name not in _GIVEN] or names))
            below = schema["properties"][step]
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(schema.get("items"), dict):
            step, below = 0, schema["items"]
            value = value[0] if isinstance(value, list) and value else None
        elif isinstance(schema.get("additionalProperties"), dict):
            step, below = "a", schema["additionalProperties"]
            value = value.get("a") if isinstance(value, dict) else None
        else:
            break
        path, schema = (*path, step), below
    return path, _resolved(schema)


def _at(schema: Schema, path: Path) -> Schema:
    for step in path:
        schema = _resolved(schema)
        if isinstance(step, int):
            schema = schema["items"]
        else:
            schema = (schema.get("properties") or {}).get(step) or schema["additionalProperties"]
    return _resolved(schema)


def _resolved(schema: Schema) -> Schema:
    name = builtin_types.referenced_definition(schema)
    return schema if name is None else builtin_types.definitions()[name]


def _kind(schema: Schema) -> str:
    return str(schema.get("type") or "string")


def _parsed(text: str) -> Path:
    return tuple(int(step) if step.isdigit() else step for step in text.split("."))


def _value(obj: KubeObject, path: Path) -> Any:
    """Return the value at a path, or None."""
    value: Any = obj
    for step in path:
        if isinstance(value, list):
            value = value[0] if value else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _put(obj: KubeObject, path: Path, value: Any) -> None:
    """Set the value at a path, creating the lists and objects above it."""
    at: Any = obj
    for step, following in pairwise(path):
        fresh: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if not at:
                at.append(fresh)
            at[0] = at[0] if isinstance(at[0], type(fresh)) else fresh
            at = at[0]
        else:
            at[step] = at[step] if isinstance(at.get(step), type(fresh)) else fresh
            at = at[step]
    if isinstance(path[-1], int):
        at[:1] = [value]
    else:
        at[path[-1]] = value
