"""The committed CRDs are those that the models and the overlay give, and every rule in them is known here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from jupyter_trainjob.api import crds, generate, overlay, rules
from jupyter_trainjob.api.resources import JOBS, TRAINJOBS, Resource


@pytest.mark.parametrize("resource", crds.RESOURCES, ids=lambda resource: str(resource.kind))
def test_a_committed_crd_is_what_the_models_and_the_overlay_give(resource: Resource) -> None:
    committed = crds.path(resource).read_text()
    assert committed == generate.text(resource), "run `python -m jupyter_trainjob.api.generate` and commit the result"


@pytest.mark.parametrize("resource", crds.RESOURCES, ids=lambda resource: str(resource.kind))
def test_a_crd_is_yaml_too(resource: Resource) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    assert yaml.load(crds.path(resource).read_text(), loader) == crds.load(resource)


def test_every_fact_of_the_overlay_has_its_place_in_a_crd() -> None:
    used: set[str] = set()
    for resource in crds.RESOURCES:
        used |= generate.facts_used(resource)
    assert set(overlay.FACTS) - used == set()


def test_every_rule_of_a_crd_has_its_predicate_and_the_other_way_round() -> None:
    used = {rule["rule"] for resource in crds.RESOURCES for rule in _rules(crds.schema(resource))}
    assert used == set(rules.BY_CEL)


def test_kinds_of_kubernetes_have_no_schema_here() -> None:
    assert crds.schema(JOBS) is None
    assert crds.columns(JOBS) == []


def test_columns_are_those_of_kubectl() -> None:
    assert [column["name"] for column in crds.columns(TRAINJOBS)] == ["State", "Age"]


def test_loading_them_does_not_load_the_models() -> None:
    code = (
        "import sys; from jupyter_trainjob.api import crds, defaults, validation; "
        "[crds.schema(each) for each in crds.RESOURCES]; "
        "print({'pydantic', 'yaml', 'kubernetes'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def _rules(schema: Any) -> Iterator[dict[str, str]]:
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations") or ()
        for value in schema.values():
            yield from _rules(value)
