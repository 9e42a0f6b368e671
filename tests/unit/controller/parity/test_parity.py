"""Kubeflow's controller and ours make the same JobSet, and PodGroup, of the same TrainJob, field by field.

``cases.jsonl`` holds random TrainJobs and runtimes, and what Kubeflow Trainer v2.3.0's own code made of them: see
``main.go``. Empty lists and objects, which Go and Python write differently, mean nothing in these objects, apart from
the sources of a volume; a quantity is an amount, however it is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import JOBSETS, PODGROUPS, Object
from jupyter_trainjob.controller.framework.registry import build

CASES: list[Object] = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]
AMOUNTS = {"limits", "requests", "overhead", "minResources"}


def meaning(value: Any) -> Any:
    if isinstance(value, dict):
        fields = {name: amounts(inner) if name in AMOUNTS else meaning(inner) for name, inner in value.items()}
        return {name: inner for name, inner in fields.items() if name == "emptyDir" or inner not in ({}, [], None)}
    if isinstance(value, list):
        return [meaning(inner) for inner in value]
    return value


def amounts(value: Any) -> Any:
    return {name: quantity.parse(amount) for name, amount in value.items()}


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_what_is_made_is_kubeflows(case: Object) -> None:
    made = {each["kind"]: meaning(each) for each in build(case["job"], case["runtime"])}
    wanted = {JOBSETS.kind: case["jobset"], PODGROUPS.kind: case.get("podgroup")}
    assert made == {kind: meaning(each) for kind, each in wanted.items() if each}
