"""Writes ``api/builtin.json``: the schemas of Kubernetes' own kinds, from the sources that go.mod pins.

``python -m tests.conformance.kube.builtin`` rewrites the file; a test compares it with the sources. The structure comes
from Kubernetes' published OpenAPI documents. Two facts that those lack come from the Go types, since they decide how an
API server decodes and writes an object: a field's Go type (``x-go-type``, where the schema does not imply it, ``*`` for
pointers) and whether a zero value is written all the same (``x-keeps-zero``). Descriptions are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from jupyter_trainjob.api.schemas import builtin_types
from tests.conformance.kube.build import MODULE, module_sources

Schema = dict[str, Any]

_CORE: Final = "io.k8s.api.core.v1"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
_DOCUMENTS: Final = ("api__v1", "apis__batch__v1", "apis__scheduling.k8s.io__v1")
_GO_PACKAGES: Final = {
    _CORE: ("k8s.io/api", "core/v1"),
    "io.k8s.api.batch.v1": ("k8s.io/api", "batch/v1"),
    "io.k8s.api.scheduling.v1": ("k8s.io/api", "scheduling/v1"),
    _META: ("k8s.io/apimachinery", "pkg/apis/meta/v1"),
}
_STRUCT: Final = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD: Final = re.compile(r'^\t(?:(\w+) +)?(\S+) `.*?json:"([^"]*)"', re.MULTILINE)
_KEPT: Final = (
    "type",
    "format",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)


def text() -> str:
    """Return the content of the file."""
    return json.dumps(_definitions(), sort_keys=True, separators=(",", ":")).replace('},"io.', '},\n"io.') + "\n"


def _definitions() -> dict[str, Schema]:
    folder = module_sources(MODULE, "k8s.io/kubernetes") / "api/openapi-spec/v3"
    published: dict[str, Schema] = {}
    for name in _DOCUMENTS:
        published |= json.loads((folder / f"{name}_openapi.json").read_text())["components"]["schemas"]
    definitions: dict[str, Schema] = {}
    wanted = list(builtin_types.ROOTS)
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = _converted(published[name], wanted)
            _add_go_facts(name, definitions[name])
    return definitions


def _converted(schema: Schema, references: list[str]) -> Schema:
    """Return the stored part of a published schema; add the names that it refers to to `references`."""
    if "allOf" in schema:
        schema = {**schema, **schema["allOf"][0]}
    converted: Schema = {key: schema[key] for key in _KEPT if key in schema}
    if "$ref" in schema:
        converted["$ref"] = schema["$ref"]
        references.append(schema["$ref"].rsplit("/", 1)[1])
    if "properties" in schema:
        converted["properties"] = {name: _converted(below, references) for name, below in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            converted[key] = _converted(schema[key], references)
    return converted


def _add_go_facts(definition: str, schema: Schema) -> None:
    if definition.rsplit(".", 1)[0] not in _GO_PACKAGES:
        return
    fields = {tag: (kind, options) for tag, kind, options in _fields(definition)}
    for name, below in (schema.get("properties") or {}).items():
        kind, options = fields[name]
        if kind != builtin_types.go_type(below):
            below["x-go-type"] = kind
        if "omitempty" not in options:
            below["x-keeps-zero"] = True


def _fields(definition: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield JSON name, Go type and JSON options of a struct's fields, those of embedded structs included."""
    package, name = definition.rsplit(".", 1)
    for go_name, kind, tag in _FIELD.findall(_structs(package).get(name, "")):
        json_name, *options = tag.split(",")
        if go_name:
            yield json_name, _qualified(kind), options
        elif kind.endswith("TypeMeta"):
            yield from (("kind", "string", ["omitempty"]), ("apiVersion", "string", ["omitempty"]))
        elif json_name:
            yield json_name, _qualified(kind), options
        else:
            owner = {"metav1": _META, "v1": _CORE}.get(kind.rpartition(".")[0], package)
            yield from _fields(f"{owner}.{kind.rpartition('.')[2]}")


def _qualified(kind: str) -> str:
    """Return a Go type as Go's error messages print it: with the name of its package, not that of an import."""
    kind = kind.replace("metav1.", "v1.").replace("corev1.", "v1.")
    return re.sub(r"(?<![\w.])([A-Z]\w*)$", r"v1.\1", kind)


@cache
def _structs(package: str) -> dict[str, str]:
    module, folder = _GO_PACKAGES[package]
    return dict(_STRUCT.findall((module_sources(MODULE, module) / folder / "types.go").read_text()))


if __name__ == "__main__":
    builtin_types.FILE.write_text(text())
