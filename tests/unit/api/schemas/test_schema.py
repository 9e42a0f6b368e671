"""The schema engine with small schemas; the conformance tests compare it with a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.schemas import cel_rules, schema

TEXT: schema.Schema = {"type": "string"}
NUMBER: schema.Schema = {"type": "integer"}
NAMED: schema.Schema = {"type": "object", "properties": {"name": TEXT, "count": NUMBER}}
FIXED: schema.Schema = {"x-kubernetes-validations": [cel_rules.IMMUTABLE.schema()]}


def of(**properties: schema.Schema) -> schema.Schema:
    return {"type": "object", "properties": properties}


def many(items: schema.Schema, **facts: Any) -> schema.Schema:
    return {"type": "array", "items": items, **facts}


def keyed(items: schema.Schema, *keys: str) -> schema.Schema:
    return many(items, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


@pytest.mark.parametrize(
    ("shape", "value", "expected", "dropped"),
    [
        pytest.param(of(a=TEXT), {"a": "1", "b": 2}, {"a": "1"}, ["b"], id="an unknown field is dropped"),
        pytest.param(of(a=of(b=TEXT)), {"a": {"c": 1}}, {"a": {}}, ["a.c"], id="a nested one, too"),
        pytest.param(of(a=many(NAMED)), {"a": [{"x": 1}]}, {"a": [{}]}, ["a[0].x"], id="one in a list, too"),
        pytest.param(
            {"type": "object", "additionalProperties": NAMED},
            {"k": {"name": "n", "x": 1}},
            {"k": {"name": "n"}},
            ["k.x"],
            id="a map keeps its keys",
        ),
        pytest.param(
            {**of(a=NAMED), "x-kubernetes-preserve-unknown-fields": True},
            {"b": 1, "a": {"x": 1}},
            {"b": 1, "a": {}},
            ["a.x"],
            id="preserved unknown fields are those of the object only",
        ),
        pytest.param(of(a=TEXT), {"a": ["wrong"]}, {"a": ["wrong"]}, [], id="a wrong type is left to the check"),
    ],
)
def test_unknown_fields_are_pruned(shape: schema.Schema, value: Any, expected: Any, dropped: list[str]) -> None:
    assert schema.prune(shape, value) == dropped
    assert value == expected


@pytest.mark.parametrize(
    ("shape", "value", "filled"),
    [
        pytest.param(of(a={**TEXT, "default": "x"}), {}, {"a": "x"}, id="an absent field gets its default"),
        pytest.param(of(a={**TEXT, "default": "x"}), {"a": "y"}, {"a": "y"}, id="an existing value is kept"),
        pytest.param(of(a={**TEXT, "default": "x"}), {"a": None}, {"a": "x"}, id="null counts as absent"),
        pytest.param(of(a=TEXT), {"a": None}, {}, id="null without a default is dropped"),
        pytest.param(of(a={**TEXT, "nullable": True}), {"a": None}, {"a": None}, id="nullable null is kept"),
        pytest.param(
            of(a={**of(b={**NUMBER, "default": 1}), "default": {}}),
            {},
            {"a": {"b": 1}},
            id="a default is filled in",
        ),
        pytest.param(of(a=of(b={**NUMBER, "default": 1})), {}, {}, id="an absent object stays absent"),
        pytest.param(of(a=many(of(b={**NUMBER, "default": 1}))), {"a": [{}]}, {"a": [{"b": 1}]}, id="items get theirs"),
        pytest.param(
            {"type": "object", "additionalProperties": of(b={**NUMBER, "default": 1})},
            {"k": {}},
            {"k": {"b": 1}},
            id="values of a map are filled in",
        ),
    ],
)
def test_defaults_are_filled_in(shape: schema.Schema, value: Any, filled: Any) -> None:
    schema.apply_defaults(shape, value)
    assert value == filled


def test_default_is_copied_into_each_object() -> None:
    shape = of(a={"type": "object", "default": {}, "x-kubernetes-preserve-unknown-fields": True})
    first: dict[str, Any] = {}
    schema.apply_defaults(shape, first)
    first["a"]["b"] = 1
    assert shape["properties"]["a"]["default"] == {}


@pytest.mark.parametrize(
    ("shape", "value", "error"),
    [
        pytest.param(of(a=TEXT), {"a": 1}, ("a", schema.WRONG_TYPE), id="a number is no text"),
        pytest.param(of(a=NUMBER), {"a": True}, ("a", schema.WRONG_TYPE), id="true is no number"),
        pytest.param(of(a=NUMBER), {"a": None}, ("a", schema.WRONG_TYPE), id="null is not allowed"),
        pytest.param(many(TEXT), [1], ("[0]", schema.WRONG_TYPE), id="an item has its type"),
        pytest.param({**of(a=TEXT), "required": ["a"]}, {}, ("a", schema.REQUIRED), id="a field is required"),
        pytest.param({**of(a=TEXT), "minProperties": 1}, {}, ("", schema.INVALID), id="an object has enough fields"),
        pytest.param({**TEXT, "enum": ["a", "b"]}, "c", ("", schema.UNSUPPORTED), id="text is one of an enumeration"),
        pytest.param({**TEXT, "maxLength": 1}, "ab", ("", schema.TOO_LONG), id="text is not too long"),
        pytest.param({**TEXT, "minLength": 1}, "", ("", schema.INVALID), id="text is not too short"),
        pytest.param({**TEXT, "pattern": "^a+$"}, "b", ("", schema.INVALID), id="text matches its pattern"),
        pytest.param({**TEXT, "format": "date-time"}, "2026-01-01", ("", schema.WRONG_TYPE), id="a date is no time"),
        pytest.param({**NUMBER, "minimum": 0}, -1, ("", schema.INVALID), id="a number is not too small"),
        pytest.param({**NUMBER, "maximum": 9}, 10, ("", schema.INVALID), id="a number is not too large"),
        pytest.param(many(TEXT, maxItems=1), ["a", "b"], ("", schema.TOO_MANY), id="a list is not too long"),
        pytest.param(many(TEXT, minItems=1), [], ("", schema.INVALID), id="a list is not too short"),
        pytest.param(
            many(TEXT, **{"x-kubernetes-list-type": "set"}),
            ["a", "a"],
            ("[1]", schema.DUPLICATE),
            id="no twins in sets",
        ),
        pytest.param(
            keyed(NAMED, "name"),
            [{"name": "a", "count": 1}, {"name": "a", "count": 2}],
            ("[1]", schema.DUPLICATE),
            id="maps have no twins",
        ),
        pytest.param(
            {"x-kubernetes-int-or-string": True}, 1.5, ("", schema.WRONG_TYPE), id="a float is no number or text"
        ),
    ],
)
def test_invalid_value_is_reported_with_its_path(shape: schema.Schema, value: Any, error: tuple[str, str]) -> None:
    ((field, reason, message),) = schema.validate(shape, value)
    assert (field, reason) == error
    assert message


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        pytest.param({**TEXT, "nullable": True}, None, id="nullable null"),
        pytest.param({**TEXT, "format": "date-time"}, "2026-01-01T00:00:00.123456Z", id="a time with microseconds"),
        pytest.param({"x-kubernetes-int-or-string": True}, "1", id="text for a number"),
        pytest.param({"type": "number"}, 1, id="an integer for a number"),
        pytest.param(
            keyed(NAMED, "name", "count"), [{"name": "a", "count": 1}, {"name": "a", "count": 2}], id="two keys"
        ),
    ],
)
def test_valid_value_is_not_reported(shape: schema.Schema, value: Any) -> None:
    assert list(schema.validate(shape, value)) == []


@pytest.mark.parametrize(
    ("shape", "new", "old", "fields"),
    [
        pytest.param(of(a={**TEXT, **FIXED}), {"a": "1"}, None, [], id="creation counts as no change"),
        pytest.param(of(a={**TEXT, **FIXED}), {"a": "2"}, {"a": "1"}, ["a"], id="a fixed field has changed"),
        pytest.param(of(a={**TEXT, **FIXED}), {"a": "2"}, {}, [], id="a fixed field is added"),
        pytest.param(of(a={**TEXT, **FIXED}), {}, {"a": "1"}, [], id="an immutable field is removed"),
        pytest.param(
            keyed({**NAMED, **FIXED}, "name"),
            [{"name": "new"}, {"name": "a", "count": 2}],
            [{"name": "a", "count": 1}],
            ["[1]"],
            id="an item of a list map is compared with the one of its key",
        ),
        pytest.param(many({**TEXT, **FIXED}), ["b"], ["a"], [], id="items of other lists are not compared"),
        pytest.param(
            {"type": "object", "additionalProperties": {**TEXT, **FIXED}},
            {"k": "2"},
            {"k": "1"},
            ["k"],
            id="a value of a map is compared with the one of its key",
        ),
    ],
)
def test_transition_rules_compare_with_the_old_value(
    shape: schema.Schema, new: Any, old: Any, fields: list[str]
) -> None:
    assert [error.field for error in schema.validate_rules(shape, new, old)] == fields


@pytest.mark.parametrize(
    ("new", "old", "names"),
    [
        pytest.param({"kind": "K", "metadata": {}, "spec": 1}, None, {"spec"}, id="all of a new object"),
        pytest.param({"spec": 1, "status": 2}, {"spec": 1, "status": 1}, {"status"}, id="a changed value"),
        pytest.param({"spec": 1}, {"spec": 1, "status": 1}, {"status"}, id="a removed field"),
        pytest.param({"metadata": {"a": 1}, "spec": 1}, {"metadata": {}, "spec": 1}, set(), id="metadata never"),
    ],
)
def test_changed_paths_are_returned(new: Any, old: Any, names: set[str]) -> None:
    assert schema.changed_fields(new, old) == names
