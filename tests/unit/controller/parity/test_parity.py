"""Kubeflow's controller and ours make the same JobSet of the same TrainJob, field by field.

``cases.jsonl`` holds random TrainJobs and runtimes, and what Kubeflow Trainer v2.3.0's own code made of them: see
``main.go``. Empty lists and objects, which Go and Python write differently, mean nothing in these objects, apart from
the sources of a volume.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.framework.registry import build

CASES: list[Object] = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]


def meaning(value: Any) -> Any:
    if isinstance(value, dict):
        fields = {name: meaning(inner) for name, inner in value.items()}
        return {name: inner for name, inner in fields.items() if name == "emptyDir" or inner not in ({}, [], None)}
    if isinstance(value, list):
        return [meaning(inner) for inner in value]
    return value


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_the_jobset_is_kubeflows(case: Object) -> None:
    [jobset] = build(case["job"], case["runtime"])
    assert meaning(jobset) == meaning(case["jobset"])
