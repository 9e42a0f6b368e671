"""Removal of empty values from a TrainJob, except for those that have a meaning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.api.schemas import crds
from jupyter_trainjob.api.schemas.omitempty import MAPS, VALUE_FIELDS, omit_empty

CASES: dict[str, tuple[KubeObject, KubeObject]] = {
    "a list without items": ({"env": [], "args": []}, {}),
    "a variable without a value": ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}),
    "limits of nothing": ({"resourcesPerNode": {"limits": {}}}, {"resourcesPerNode": {}}),
    "a mount that may be written to": (
        {"volumeMounts": [{"name": "v", "readOnly": False}]},
        {"volumeMounts": [{"name": "v"}]},
    ),
    "a mount that may not": ({"volumeMounts": [{"readOnly": True}]}, {"volumeMounts": [{"readOnly": True}]}),
    "null": ({"labels": None, "image": None}, {}),
    "labels without entries": ({"metadata": {"labels": {}, "name": "a"}}, {"metadata": {"name": "a"}}),
    "entries of a map stay": ({"labels": {"a": ""}}, {"labels": {"a": ""}}),
    "items of a list stay": ({"command": ["", "a"]}, {"command": ["", "a"]}),
    "a volume of no options stays": ({"emptyDir": {}}, {"emptyDir": {}}),
    "a refusal stays": ({"allowPrivilegeEscalation": False}, {"allowPrivilegeEscalation": False}),
    "a group of nothing but zero stays": ({"runAsUser": 0}, {"runAsUser": 0}),
    "no storage class is not the default one": ({"storageClassName": ""}, {"storageClassName": ""}),
}


@pytest.mark.parametrize(("value", "sent"), CASES.values(), ids=CASES)
def test_explicit_empty_values_are_removed(value: KubeObject, sent: KubeObject) -> None:
    assert omit_empty(value) == sent


def test_argument_is_not_modified() -> None:
    value: KubeObject = {"labels": {"a": "b"}, "env": []}
    omit_empty(value)["labels"]["c"] = "d"
    assert value == {"labels": {"a": "b"}, "env": []}


def test_tables_name_existing_fields_only() -> None:
    fields = list(_fields("", crds.structural_schema(TRAINJOBS) or {}))
    assert {name for name, field in fields if "additionalProperties" in field} == MAPS
    assert {name for name, _ in fields} > VALUE_FIELDS


def _fields(name: str, schema: KubeObject) -> Iterator[tuple[str, KubeObject]]:
    yield name, schema
    for key, field in (schema.get("properties") or {}).items():
        yield from _fields(key, field)
    if "items" in schema:
        yield from _fields(name, schema["items"])
