"""Decode objects of Kubernetes' own kinds as an API server does: JSON into Go structs, and back.

The first step for each body: wrong types are rejected (400), unknown fields are dropped and reported, null counts as
absent, zero values that Go does not encode are omitted, and quantities and times get their canonical form. The rules
are those of ``sigs.k8s.io/json`` and of the types' own ``UnmarshalJSON`` methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.api.schemas import builtin_types, crds, scalars, schema
from jupyter_trainjob.api.schemas.builtin_types import Schema
from jupyter_trainjob.api.schemas.scalars import SPECIAL, SPECIAL_ZERO, ZERO, Decoder, Report

_PYTHON_TYPES: Final[dict[Any, tuple[type, ...]]] = {"string": (str,), "boolean": (bool,), "number": (int, float)}
_LARGEST_PLAIN_FLOAT: Final = 1e21
"""From here on Go writes floats with an exponent."""


def decode(resource: Resource, obj: KubeObject, old: KubeObject | None = None) -> tuple[KubeObject, Report]:
    """Return an object as the server stores it, and the errors in it. Consumes `obj`.

    `old` is the stored object that it replaces; equal parts are not decoded again.
    """
    same = {name for name in obj if old is not None and name in old and obj[name] == old[name]}
    new = {name: value for name, value in obj.items() if name not in same}
    definition = builtin_types.definition_name(resource)
    if definition is not None:
        decoded, report = decode_as(definition, new)
    else:
        decoded, report = _decode_custom(crds.structural_schema(resource) or {}, new)
    return {**decoded, **{name: obj[name] for name in same}}, report


def decode_as(definition: str, value: Any) -> tuple[KubeObject, Report]:
    """Return a value decoded by a definition of `api.schemas.builtin_types`, and the errors in it."""
    report = Report()
    decoded = _decoder_of(definition)(value, "", report)
    return ({} if decoded is ZERO else decoded), report


def _decode_custom(crd_schema: Schema, obj: KubeObject) -> tuple[KubeObject, Report]:
    """Decode a custom resource: only its metadata is a Go struct, the rest is pruned by the schema."""
    report = Report()
    metadata = _decoder_of(builtin_types.OBJECT_META)(obj.pop("metadata", None), "", report)
    report.unknown = [f"metadata.{path}" for path in report.unknown]
    report.unknown += sorted(schema.prune(crd_schema, obj))
    decoded = {name: floats_to_integers(value) for name, value in obj.items()}
    return {**decoded, "metadata": {} if metadata is ZERO else metadata}, report


def floats_to_integers(value: Any) -> Any:
    """Return the value with whole floats as integers, since Go encodes ``2.0`` as ``2``."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_PLAIN_FLOAT:
        return int(value)
    if isinstance(value, dict):
        return {name: floats_to_integers(item) for name, item in value.items()}
    return [floats_to_integers(item) for item in value] if isinstance(value, list) else value


@cache
def _decoder_of(definition: str) -> Decoder:
    if definition in SPECIAL:
        return SPECIAL[definition]
    schema = builtin_types.definitions()[definition]
    if "properties" in schema:
        return _struct(definition, schema)
    return _decoder(schema)


def _decoder(schema: Schema) -> Decoder:
    name = builtin_types.referenced_definition(schema)
    if name is not None:
        return lambda value, path, report: _decoder_of(name)(value, path, report)  # noqa: PLW0108 - definitions refer to themselves
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object" if "additionalProperties" in schema:
            return _map(schema)
        case "string" if schema.get("format") == "byte":
            return scalars.decode_bytes
        case "integer":
            return scalars.integer_decoder(schema)
        case "string" | "boolean" | "number" as kind:
            return scalars.plain_decoder(schema, _PYTHON_TYPES[kind])
    return lambda value, _path, _report: ZERO if value is None else value


def _struct(definition: str, schema: Schema) -> Decoder:
    name = definition.rsplit(".", 1)[1]
    fields = {
        field: (_decoder(below), _absent(below), _is_pointer(below)) for field, below in schema["properties"].items()
    }
    absent = {field: default for field, (_, default, _) in fields.items() if default is not ZERO}

    def decode_struct(value: Any, path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, dict):
            report.wrong_type(value, path, builtin_types.struct_type(definition))
            return ZERO
        outer, report.struct = report.struct, name
        decoded: dict[str, Any] = {}
        for field, item in value.items():
            below = f"{path}.{field}" if path else field
            if field not in fields:
                report.unknown.append(below)
                continue
            decoder, default, pointer = fields[field]
            decoded_item = decoder(item, below, report)
            if decoded_item is ZERO and pointer and item is not None:
                decoded_item = _written_zero(item)
            if decoded_item is ZERO:
                decoded_item = default() if callable(default) else default
            if decoded_item is not ZERO:
                decoded[field] = decoded_item
            report.struct = name
        for field, default in absent.items():
            if field not in decoded:
                decoded[field] = default() if callable(default) else default
        report.struct = outer
        return decoded

    return decode_struct


def _is_pointer(schema: Schema) -> bool:
    return str(schema.get("x-go-type", "")).startswith("*")


def _absent(schema: Schema) -> Any:
    """Return the value that Go encodes for an unset field: `ZERO` for none, or a function that creates it."""
    if _is_pointer(schema):
        return ZERO
    name = builtin_types.referenced_definition(schema)
    if name is not None and name not in SPECIAL:
        return lambda: _empty(name)
    if not schema.get("x-keeps-zero"):
        return ZERO
    return {"string": "", "integer": 0, "boolean": False, "number": 0}.get(
        str(schema.get("type")), None if name is None else SPECIAL_ZERO.get(name)
    )


def _empty(definition: str) -> Any:
    decoded = _decoder_of(definition)({}, "", Report())
    return {} if decoded is ZERO else decoded


def _written_zero(value: Any) -> Any:
    """Return the zero value behind a pointer that is set, which Go encodes."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return 0
    if isinstance(value, str):
        return ""
    return [] if isinstance(value, list) else {}


def _list(schema: Schema) -> Decoder:
    items, go_type = _decoder(schema["items"]), builtin_types.go_type(schema).lstrip("*")
    zero = _zero_item(schema["items"])

    def decode_list(value: Any, path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, list):
            report.wrong_type(value, path, go_type)
            return ZERO
        decoded = []
        for index, item in enumerate(value):
            decoded_item = items(item, f"{path}[{index}]", report)
            decoded.append(zero() if decoded_item is ZERO else decoded_item)
        return decoded or ZERO

    return decode_list


def _map(schema: Schema) -> Decoder:
    items, go_type = _decoder(schema["additionalProperties"]), builtin_types.go_type(schema).lstrip("*")
    zero = _zero_item(schema["additionalProperties"])

    def decode_map(value: Any, path: str, report: Report) -> Any:
        if value is None:
            return ZERO
        if not isinstance(value, dict):
            report.wrong_type(value, path, go_type)
            return ZERO
        decoded = {}
        for key in sorted(value):
            decoded_item = items(value[key], path, report)
            decoded[key] = zero() if decoded_item is ZERO else decoded_item
        return decoded or ZERO

    return decode_map


def _zero_item(schema: Schema) -> Callable[[], Any]:
    """Return a function that creates the zero value of an item of a list or map, which is always encoded."""
    name = builtin_types.referenced_definition(schema)
    if name is not None:
        return lambda: SPECIAL_ZERO.get(name) if name in SPECIAL else _empty(name)
    kinds: dict[Any, Any] = {"string": "", "integer": 0, "boolean": False, "number": 0}
    return lambda: kinds.get(schema.get("type"))
