"""Kubeflow's controller and ours build the same objects from the same TrainJob, field by field.

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
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.plugins.registry import build_objects, plugins_with
from jupyter_trainjob.controller.plugins.trainjob_status import TrainJobStatus

CASES: list[KubeObject] = [
    json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()
]
GENERATED = {"ssh-privatekey", "ssh-publickey", "entrypoint.sh", "init.sh"}
AMOUNTS = {"limits", "requests", "overhead", "minResources"}


def meaning(value: Any) -> Any:
    if isinstance(value, dict):
        fields = {name: amounts(inner) if name in AMOUNTS else meaning(inner) for name, inner in value.items()}
        return {name: inner for name, inner in fields.items() if name == "emptyDir" or inner not in ({}, [], None)}
    if isinstance(value, list):
        return [meaning(inner) for inner in value]
    return value


def amounts(value: Any) -> Any:
    return {name: quantity.parse_quantity(amount) for name, amount in value.items()}


def without_generated(obj: KubeObject) -> KubeObject:
    """Return an object without its random keys and Flux's scripts; that they are there stays."""
    if "data" not in obj:
        return obj
    return {**obj, "data": {key: "" if value and key in GENERATED else value for key, value in obj["data"].items()}}


def in_order(value: Any) -> Any:
    """Return a value with its named lists sorted: upstream's plugins run in a random order."""
    if isinstance(value, dict):
        return {name: in_order(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(in_order, value), key=lambda item: str(item.get("name")) if isinstance(item, dict) else "")
    return value


UNGATED = [case for case in CASES if "featureGates" not in case]
GATED = [case for case in CASES if "featureGates" in case]


@pytest.mark.parametrize("case", UNGATED, ids=range(len(UNGATED)))
def test_objects_equal_kubeflows(case: KubeObject) -> None:
    objects = {obj["kind"]: meaning(without_generated(obj)) for obj in build_objects(case["job"], case["runtime"])}
    assert objects == {kind: meaning(obj) for kind, obj in case["objects"].items()}


@pytest.mark.parametrize("case", GATED, ids=range(len(GATED)))
def test_objects_equal_kubeflows_with_the_status_server(case: KubeObject) -> None:
    url = "https://kubeflow-trainer-controller-manager.kubeflow-system.svc:10443"
    plugins = plugins_with((TrainJobStatus(url=url, read_ca=lambda: "PEM"),))
    objects = {
        f"{obj['kind']} {obj['metadata']['name']}": meaning(without_generated(obj))
        for obj in build_objects(case["job"], case["runtime"], plugins=plugins)
    }
    assert in_order(objects) == in_order({key: meaning(obj) for key, obj in case["objects"].items()})
