"""The schemas of Kubernetes' built-in kinds from ``api/builtin.json``, loaded on first use and cached.

`api.schemas.decoding` decodes request bodies by them, and the API server serves them to ``kubectl explain``. The file
is written from Kubernetes' sources by ``tests/conformance/kube/builtin.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.api.resources import JOBS, PRIORITYCLASSES, Resource

FILE: Final = Path(__file__).parent / "builtin.json"

_CORE: Final = "io.k8s.api.core.v1"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
OBJECT_META: Final = f"{_META}.ObjectMeta"
DELETE_OPTIONS: Final = f"{_META}.DeleteOptions"
BINDING: Final = f"{_CORE}.Binding"
_PACKAGES: Final = {JOBS.group: "io.k8s.api.batch.v1", PRIORITYCLASSES.group: "io.k8s.api.scheduling.v1", "": _CORE}
_CORE_KINDS: Final = ("Namespace", "Node", "Pod", "Service", "ConfigMap", "Secret", "PersistentVolumeClaim", "Event")

ROOTS: Final = (
    *(f"{_CORE}.{kind}" for kind in _CORE_KINDS),
    "io.k8s.api.batch.v1.Job",
    "io.k8s.api.scheduling.v1.PriorityClass",
    BINDING,
    DELETE_OPTIONS,
    OBJECT_META,
)
"""The root definitions, which refer to all others."""

Schema = dict[str, Any]


@cache
def definitions() -> dict[str, Schema]:
    """Return every definition by its name. They are shared: never modify them."""
    definitions_by_name: dict[str, Schema] = json.loads(FILE.read_bytes())
    return definitions_by_name


def definition_name(resource: Resource) -> str | None:
    """Return the name of the definition of a kind, or None if the kind is a custom resource."""
    package = _PACKAGES.get(resource.group)
    return package and f"{package}.{resource.kind}"


def referenced_definition(schema: Schema) -> str | None:
    """Return the name of the definition that a schema refers to, if it does."""
    reference = schema.get("$ref")
    return None if reference is None else str(reference).rsplit("/", 1)[1]


def struct_type(definition: str) -> str:
    """Return the Go type of a definition: its name and the last part of its package."""
    return ".".join(definition.split(".")[-2:])


def go_type(schema: Schema) -> str:
    """Return the Go type that a schema implies, as Go's error messages print it."""
    if "x-go-type" in schema:
        return str(schema["x-go-type"])
    name = referenced_definition(schema)
    if name is not None:
        return struct_type(name)
    match schema.get("type"):
        case "array":
            return f"[]{go_type(schema['items'])}"
        case "object":
            return f"map[string]{go_type(schema.get('additionalProperties') or {})}"
        case "integer":
            return str(schema.get("format", "int"))
        case "string":
            return "[]byte" if schema.get("format") == "byte" else "string"
        case "boolean":
            return "bool"
        case "number":
            return "float64"
    return "interface {}"
