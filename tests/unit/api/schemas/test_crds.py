"""The committed CRDs equal the generated ones, and every validation rule in them is implemented."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from jupyter_trainjob.api import generate, overlay
from jupyter_trainjob.api.resources import JOBS, TRAINJOBS, Resource
from jupyter_trainjob.api.schemas import cel_rules, crds
from tests.waiting import patience


@pytest.mark.parametrize("resource", crds.RESOURCES, ids=lambda resource: str(resource.kind))
def test_committed_crd_equals_the_generated_one(resource: Resource) -> None:
    committed = crds.crd_path(resource).read_text()
    assert committed == generate.crd_text(resource), (
        "run `python -m jupyter_trainjob.api.generate` and commit the result"
    )


@pytest.mark.parametrize("resource", crds.RESOURCES, ids=lambda resource: str(resource.kind))
def test_crd_has_the_same_content_as_yaml(resource: Resource) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    assert yaml.load(crds.crd_path(resource).read_text(), loader) == crds.load_crd(resource)


def test_every_overlay_path_exists_in_a_crd() -> None:
    used: set[str] = set()
    for resource in crds.RESOURCES:
        used |= generate.facts_used(resource)
    assert set(overlay.FACTS) - used == set()


def test_rules_of_the_crds_and_predicates_match() -> None:
    used = {rule["rule"] for resource in crds.RESOURCES for rule in _rules(crds.structural_schema(resource))}
    assert used == set(cel_rules.BY_CEL)


def test_built_in_kinds_have_no_crd_schema() -> None:
    assert crds.structural_schema(JOBS) is None
    assert crds.printer_columns(JOBS) == []


def test_printer_columns_equal_those_of_kubectl() -> None:
    assert [column["name"] for column in crds.printer_columns(TRAINJOBS)] == ["State", "Age"]


def test_loading_the_crds_does_not_import_the_models() -> None:
    code = (
        "import sys; from jupyter_trainjob.api.schemas import crds; import jupyter_trainjob.api.admission.validation; "
        "[crds.structural_schema(each) for each in crds.RESOURCES]; "
        "print({'pydantic', 'yaml', 'kubernetes'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=patience(60)
    )
    assert done.stdout.strip() == "set()"


def _rules(schema: Any) -> Iterator[dict[str, str]]:
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations") or ()
        for value in schema.values():
            yield from _rules(value)
