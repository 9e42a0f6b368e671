"""Structural schemas: what an API server does with a custom resource's ``openAPIV3Schema``, in the same order.

`prune` drops unknown fields, `apply_defaults` sets defaults, `validate` checks types, lengths and keys, and
`validate_rules` the CEL rules. Schemas are those of the committed CRDs (`api.schemas.crds`), which real servers use as
well; only CEL is not interpreted: each rule's text selects a Python predicate in `api.schemas.cel_rules`.

Objects are modified in place, as they are parsed from a request's body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from jupyter_trainjob.api.schemas import cel_rules

Schema = dict[str, Any]

_ROOT = frozenset({"apiVersion", "kind", "metadata"})

INVALID = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
UNSUPPORTED = "FieldValueNotSupported"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
WRONG_TYPE = "FieldValueTypeInvalid"


class FieldError(NamedTuple):
    """One cause of a ``Status`` with reason Invalid."""

    field: str
    reason: str
    message: str


def invalid_error(path: str, value: Any, message: str) -> FieldError:
    """Return the error about a value, with the value as JSON (``field.Invalid``)."""
    return FieldError(path, INVALID, f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {message}")


def prune(schema: Schema, value: Any, path: str = "", *, keep: Collection[str] = ()) -> list[str]:
    """Remove, in place, all fields that are not in the schema; return their paths.

    Top-level fields in `keep` are not touched.
    """
    dropped: list[str] = []
    if isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        keeps = schema.get("x-kubernetes-preserve-unknown-fields")
        for name in list(value):
            if name in keep:
                continue
            if name in properties:
                dropped += prune(properties[name], value[name], _join(path, name))
            elif isinstance(others, dict):
                dropped += prune(others, value[name], _join(path, name))
            elif not keeps:
                del value[name]
                dropped.append(_join(path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            dropped += prune(schema["items"], item, f"{path}[{index}]")
    return dropped


def apply_defaults(schema: Schema, value: Any, *, only: Collection[str] | None = None) -> None:
    """Set, in place, the defaults of absent fields; a null that the schema does not allow counts as absent.

    With `only`, top-level fields that are not in it are skipped.
    """
    if isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, below in properties.items():
            if only is not None and name not in only:
                continue
            if value.get(name) is None and not (name in value and below.get("nullable")):
                value.pop(name, None)
                if "default" in below:
                    value[name] = json.loads(json.dumps(below["default"]))
            if name in value:
                apply_defaults(below, value[name])
        if isinstance(others, dict):
            for name, item in value.items():
                if name not in properties:
                    apply_defaults(others, item)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            apply_defaults(schema["items"], item)


def changed_fields(obj: dict[str, Any], old: dict[str, Any] | None) -> set[str]:
    """Return the top-level fields of an object, without metadata, that differ from those of the valid object `old`.

    Most writes only change the status; then the rest does not have to be validated again.
    """
    before = old or {}
    names = {*obj, *before} - _ROOT
    return {name for name in names if old is None or name not in obj or obj[name] != before.get(name)}


def validate_fields(schema: Schema, obj: dict[str, Any], names: Collection[str]) -> Iterator[FieldError]:
    """Yield the errors of `validate` for these fields of an object."""
    properties = schema.get("properties") or {}
    for name in sorted(names):
        if name in properties and name in obj:
            yield from validate(properties[name], obj[name], name)


def validate(schema: Schema, value: Any, path: str = "") -> Iterator[FieldError]:
    """Yield violations of the schema itself: types, lengths, ranges, enums, required fields, keys of list maps."""
    if value is None and (schema.get("nullable") or schema.get("x-kubernetes-int-or-string")):
        return  # An int-or-string has no type of its own, so that null is one too.
    expected = _type_of(schema)
    if expected is not None and not _TYPE_CHECKS[expected](value):
        name = _type_name(value)
        message = f'Invalid value: "{name}": {path or "object"} in body must be of type {expected}: "{name}"'
        yield FieldError(path, WRONG_TYPE, message)
        return
    if isinstance(value, dict):
        yield from _check_object(schema, value, path)
    elif isinstance(value, list):
        yield from _check_list(schema, value, path)
    elif isinstance(value, str):
        yield from _check_text(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _check_number(schema, value, path)
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(json.dumps(choice) for choice in schema["enum"])
        yield FieldError(path, UNSUPPORTED, f"Unsupported value: {json.dumps(value)}: supported values: {supported}")


def validate_rules(schema: Schema, new: Any, old: Any, path: str = "") -> Iterator[FieldError]:
    """Yield violations of CEL rules. Transition rules are evaluated only if there is an old value."""
    for rule in schema.get("x-kubernetes-validations") or ():
        cel_rule = cel_rules.BY_CEL[rule["rule"]]
        if not (cel_rule.is_transition_rule and old is None) and not cel_rule.holds(new, old):
            shown = json.dumps(new) if not isinstance(new, (dict, list)) else f'"{_type_name(new)}"'
            yield FieldError(path, INVALID, f"Invalid value: {shown}: {rule['message']}")
    if isinstance(new, dict):
        known_fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = known_fields.get(name, others)
            if isinstance(below, dict) and has_rules(below):
                yield from validate_rules(below, value, before.get(name), _join(path, name))
    elif isinstance(new, list) and has_rules(schema.get("items") or {}):
        find_old = _same_item(schema, old if isinstance(old, list) else [])
        for index, item in enumerate(new):
            yield from validate_rules(schema["items"], item, find_old(item), f"{path}[{index}]")


def _check_object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in schema.get("required") or ():
        if name not in value:
            yield FieldError(_join(path, name), REQUIRED, "Required value")
    if len(value) < schema.get("minProperties", 0):
        message = f'Invalid value: "object": {path} in body should have at least {schema["minProperties"]} properties'
        yield FieldError(path, INVALID, message)
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, item in value.items():
        below = properties.get(name, others)
        if isinstance(below, dict):
            yield from validate(below, item, _join(path, name))


def _check_list(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxItems", len(value)):
        yield FieldError(path, TOO_MANY, f"Too many: {len(value)}: must have at most {schema['maxItems']} items")
    if len(value) < schema.get("minItems", 0):
        message = f'Invalid value: "array": {path} in body should have at least {schema["minItems"]} items'
        yield FieldError(path, INVALID, message)
    for index, item in enumerate(value):
        yield from validate(schema.get("items") or {}, item, f"{path}[{index}]")
    kind = schema.get("x-kubernetes-list-type")
    if kind in {"map", "set"}:
        keys_seen: set[str] = set()
        for index, item in enumerate(value):
            key = _key(schema, item)
            if key in keys_seen:
                yield FieldError(f"{path}[{index}]", DUPLICATE, f"Duplicate value: {key}")
            keys_seen.add(key)


def _check_text(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        yield FieldError(path, TOO_LONG, f"Too long: may not be more than {schema['maxLength']} bytes")
    if len(value) < schema.get("minLength", 0):
        message = (
            f"Invalid value: {json.dumps(value)}: {path} in body should be at least {schema['minLength']} chars long"
        )
        yield FieldError(path, INVALID, message)
    if "pattern" in schema and not _compile_pattern(schema["pattern"]).search(value):
        message = f"Invalid value: {json.dumps(value)}: {path} in body should match '{schema['pattern']}'"
        yield FieldError(path, INVALID, message)
    if schema.get("format") == "date-time" and not _is_time(value):
        message = f"Invalid value: {json.dumps(value)}: {path} in body must be of type date-time: {json.dumps(value)}"
        yield FieldError(path, WRONG_TYPE, message)


def _check_number(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    if schema.get("format") == "int32" and not -(1 << 31) <= value < 1 << 31:
        # IsValueValidAgainstRange of k8s.io/kube-openapi, whose errors name no field.
        message = f'Invalid value: "": Checked value must be of type integer with format int32 in {path}'
        yield FieldError("<nil>", INVALID, message)
    if value < schema.get("minimum", value):
        message = f"Invalid value: {value}: {path} in body should be greater than or equal to {schema['minimum']}"
        yield FieldError(path, INVALID, message)
    if value > schema.get("maximum", value):
        message = f"Invalid value: {value}: {path} in body should be less than or equal to {schema['maximum']}"
        yield FieldError(path, INVALID, message)


def _type_of(schema: Schema) -> str | None:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = schema.get("type")
    return str(kind) if kind else None


_TYPE_CHECKS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    # Go decodes a whole number beyond 64 bits as a float.
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer or string": lambda value: isinstance(value, (int, str)) and not isinstance(value, bool),
}


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    order = ("object", "array", "string", "boolean", "integer", "number")
    return next(kind for kind in order if _TYPE_CHECKS[kind](value))


def _key(schema: Schema, item: Any) -> str:
    """Return the key of an item of a list map or set, as JSON."""
    keys = schema.get("x-kubernetes-list-map-keys")
    identity = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
    return json.dumps(identity, sort_keys=True, separators=(",", ":"))


def _same_item(schema: Schema, old: list[Any]) -> Callable[[Any], Any]:
    """Return a function from an item to its old version; only items of list maps have one."""
    if schema.get("x-kubernetes-list-type") != "map":
        return lambda _: None
    before = {_key(schema, item): item for item in old}
    return lambda item: before.get(_key(schema, item))


def has_rules(schema: Schema) -> bool:
    """Return whether a schema or a part of it has rules; cached."""
    cached = _HAS_RULES_CACHE.get(id(schema))
    if cached is None or cached[0] is not schema:
        below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
        result = bool(schema.get("x-kubernetes-validations")) or any(
            has_rules(part) for part in below if isinstance(part, dict)
        )
        cached = _HAS_RULES_CACHE[id(schema)] = (schema, result)
    return cached[1]


_HAS_RULES_CACHE: dict[int, tuple[Schema, bool]] = {}


@cache
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return "T" in value or "t" in value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
