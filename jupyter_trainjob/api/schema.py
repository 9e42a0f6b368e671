"""Structural schemas: what an API server does with a custom resource's ``openAPIV3Schema``, in the same order.

`prune` drops what the schema does not know, `default` fills in what it says, `check` compares types, lengths and keys,
`check_rules` evaluates the CEL rules. A schema comes from the committed CRDs (`api.crds`), so the embedded server and
a real one hold objects against the same text; only CEL is not interpreted here: each rule's text names a Python
predicate in `api.rules`.

Objects are changed in place: they come fresh out of a request's body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from jupyter_trainjob.api import rules

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


def prune(schema: Schema, value: Any, path: str = "", *, keep: Collection[str] = ()) -> list[str]:
    """Drop, in place, every field that the schema does not know; return the paths of what was dropped.

    Fields of `value` itself that are in `keep` stay as they are: an object's metadata is not the schema's to judge.
    """
    dropped: list[str] = []
    if isinstance(value, dict):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties")
        keeps = schema.get("x-kubernetes-preserve-unknown-fields")
        for name in list(value):
            if name in keep:
                continue
            if name in known:
                dropped += prune(known[name], value[name], _join(path, name))
            elif isinstance(others, dict):
                dropped += prune(others, value[name], _join(path, name))
            elif not keeps:
                del value[name]
                dropped.append(_join(path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            dropped += prune(schema["items"], item, f"{path}[{index}]")
    return dropped


def default(schema: Schema, value: Any, *, only: Collection[str] | None = None) -> None:
    """Fill in, in place, the defaults of absent fields; a null that the schema does not allow counts as absent.

    `only` says which fields of `value` itself to look at.
    """
    if isinstance(value, dict):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, below in known.items():
            if only is not None and name not in only:
                continue
            if value.get(name) is None and not (name in value and below.get("nullable")):
                value.pop(name, None)
                if "default" in below:
                    value[name] = json.loads(json.dumps(below["default"]))
            if name in value:
                default(below, value[name])
        if isinstance(others, dict):
            for name, item in value.items():
                if name not in known:
                    default(others, item)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            default(schema["items"], item)


def changed(obj: dict[str, Any], old: dict[str, Any] | None) -> set[str]:
    """Return the fields of an object, beside its metadata, that are not those of `old`, which has been accepted before.

    Most writes change the status alone; what was right in the rest still is.
    """
    before = old or {}
    names = {*obj, *before} - _ROOT
    return {name for name in names if old is None or name not in obj or obj[name] != before.get(name)}


def check_fields(schema: Schema, obj: dict[str, Any], names: Collection[str]) -> Iterator[FieldError]:
    """Yield what `check` yields about these fields of an object."""
    known = schema.get("properties") or {}
    for name in sorted(names):
        if name in known and name in obj:
            yield from check(known[name], obj[name], name)


def check(schema: Schema, value: Any, path: str = "") -> Iterator[FieldError]:
    """Yield what breaks the schema itself: types, lengths, ranges, enums, required fields, keys of list maps."""
    if value is None and schema.get("nullable"):
        return
    wanted = _type_of(schema)
    if wanted is not None and not _IS[wanted](value):
        message = (
            f'Invalid value: "{_name(value)}": {path or "object"} in body must be of type {wanted}: "{_name(value)}"'
        )
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


def check_rules(schema: Schema, new: Any, old: Any, path: str = "") -> Iterator[FieldError]:
    """Yield what breaks the CEL rules. Rules about a change count only where there is an old value to compare with."""
    for rule in schema.get("x-kubernetes-validations") or ():
        known = rules.BY_CEL[rule["rule"]]
        if not (known.about_change and old is None) and not known.holds(new, old):
            shown = json.dumps(new) if not isinstance(new, (dict, list)) else f'"{_name(new)}"'
            yield FieldError(path, INVALID, f"Invalid value: {shown}: {rule['message']}")
    if isinstance(new, dict):
        known_fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = known_fields.get(name, others)
            if isinstance(below, dict) and _has_rules(below):
                yield from check_rules(below, value, before.get(name), _join(path, name))
    elif isinstance(new, list) and _has_rules(schema.get("items") or {}):
        find = _same_item(schema, old if isinstance(old, list) else [])
        for index, item in enumerate(new):
            yield from check_rules(schema["items"], item, find(item), f"{path}[{index}]")


def _check_object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name in schema.get("required") or ():
        if name not in value:
            yield FieldError(_join(path, name), REQUIRED, "Required value")
    if len(value) < schema.get("minProperties", 0):
        message = f'Invalid value: "object": {path} in body should have at least {schema["minProperties"]} properties'
        yield FieldError(path, INVALID, message)
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, item in value.items():
        below = known.get(name, others)
        if isinstance(below, dict):
            yield from check(below, item, _join(path, name))


def _check_list(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxItems", len(value)):
        yield FieldError(path, TOO_MANY, f"Too many: {len(value)}: must have at most {schema['maxItems']} items")
    if len(value) < schema.get("minItems", 0):
        message = f'Invalid value: "array": {path} in body should have at least {schema["minItems"]} items'
        yield FieldError(path, INVALID, message)
    for index, item in enumerate(value):
        yield from check(schema.get("items") or {}, item, f"{path}[{index}]")
    kind = schema.get("x-kubernetes-list-type")
    if kind in {"map", "set"}:
        seen: set[str] = set()
        for index, item in enumerate(value):
            key = _key(schema, item)
            if key in seen:
                yield FieldError(f"{path}[{index}]", DUPLICATE, f"Duplicate value: {key}")
            seen.add(key)


def _check_text(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        yield FieldError(path, TOO_LONG, f"Too long: may not be more than {schema['maxLength']} bytes")
    if len(value) < schema.get("minLength", 0):
        message = (
            f"Invalid value: {json.dumps(value)}: {path} in body should be at least {schema['minLength']} chars long"
        )
        yield FieldError(path, INVALID, message)
    if "pattern" in schema and not _compiled(schema["pattern"]).search(value):
        message = f"Invalid value: {json.dumps(value)}: {path} in body should match '{schema['pattern']}'"
        yield FieldError(path, INVALID, message)
    if schema.get("format") == "date-time" and not _is_time(value):
        message = f"Invalid value: {json.dumps(value)}: {path} in body must be of type date-time: {json.dumps(value)}"
        yield FieldError(path, WRONG_TYPE, message)


def _check_number(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
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


_IS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer or string": lambda value: isinstance(value, (int, str)) and not isinstance(value, bool),
}


def _name(value: Any) -> str:
    if value is None:
        return "null"
    order = ("object", "array", "string", "boolean", "integer", "number")
    return next(kind for kind in order if _IS[kind](value))


def _key(schema: Schema, item: Any) -> str:
    """Return what identifies an item of a list map or set, as JSON."""
    keys = schema.get("x-kubernetes-list-map-keys")
    identity = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
    return json.dumps(identity, sort_keys=True, separators=(",", ":"))


def _same_item(schema: Schema, old: list[Any]) -> Callable[[Any], Any]:
    """Return a function from an item to its former self. Only list maps know which item that is."""
    if schema.get("x-kubernetes-list-type") != "map":
        return lambda _: None
    before = {_key(schema, item): item for item in old}
    return lambda item: before.get(_key(schema, item))


def _has_rules(schema: Schema) -> bool:
    """Return whether any rule stands in the schema or below. Asked once for each part of a schema."""
    known = _RULED.get(id(schema))
    if known is None or known[0] is not schema:
        below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
        found = bool(schema.get("x-kubernetes-validations")) or any(
            _has_rules(part) for part in below if isinstance(part, dict)
        )
        known = _RULED[id(schema)] = (schema, found)
    return known[1]


_RULED: dict[int, tuple[Schema, bool]] = {}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return "T" in value or "t" in value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
