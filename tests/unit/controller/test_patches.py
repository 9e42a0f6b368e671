"""Strategic merge patches, by the rules of Kubernetes for a JobSetSpec."""

from __future__ import annotations

import copy

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.framework.patches import merge_template, strategic_merge

Case = tuple[Object, Object, Object]


def env(*names: str) -> list[Object]:
    return [{"name": name, "value": name} for name in names]


CASES: dict[str, Case] = {
    "a field that the patch does not name stays": ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
    "null deletes": ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
    "objects are merged in depth": (
        {"securityContext": {"runAsUser": 1, "seLinuxOptions": {"level": "s0"}}},
        {"securityContext": {"seLinuxOptions": {"role": "r"}}},
        {"securityContext": {"runAsUser": 1, "seLinuxOptions": {"level": "s0", "role": "r"}}},
    ),
    "an object that was not there is added": ({}, {"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b"}}),
    "lists without a key are replaced": (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}]},
        {"tolerations": [{"key": "b"}]},
    ),
    "keyed lists are merged, and new items go where the patch has them": (
        {"env": env("INIT_ENV", "DATASET_PATH")},
        {"env": env("INIT_ENV", "NEW")},
        {"env": env("INIT_ENV", "NEW", "DATASET_PATH")},
    ),
    "items before the patched one stay before it": (
        {"env": env("A", "B", "C")},
        {"env": [{"name": "B", "value": "new"}]},
        {"env": [*env("A"), {"name": "B", "value": "new"}, *env("C")]},
    ),
    "the order of the patch rules among its own items": (
        {"env": env("A", "B", "C")},
        {"env": env("C", "A")},
        {"env": env("B", "C", "A")},
    ),
    "mounts are known by their path, so one volume can be mounted twice": (
        {"volumeMounts": [{"name": "v", "mountPath": "/a"}]},
        {"volumeMounts": [{"name": "v", "mountPath": "/b"}]},
        {"volumeMounts": [{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a"}]},
    ),
    "ports are known by their number": (
        {"ports": [{"containerPort": 80}]},
        {"ports": [{"containerPort": 80, "name": "http"}]},
        {"ports": [{"containerPort": 80, "name": "http"}]},
    ),
    "a volume keeps its old source beside the new one": (
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
        {"volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_strategic_merge(case: Case) -> None:
    original, patch, expected = case
    before = copy.deepcopy((original, patch))
    assert strategic_merge(original, patch) == expected
    assert (original, patch) == before


def patch_of(spec: Object) -> Object:
    return {"manager": "example.com/me", "trainingRuntimeSpec": {"template": {"spec": spec}}}


def test_the_replicated_jobs_keep_the_order_of_the_runtime() -> None:
    spec = {"replicatedJobs": [{"name": "first"}, {"name": "second"}]}
    patch = patch_of({"replicatedJobs": [{"name": "second", "x": 1}]})
    assert merge_template(spec, [patch]) == {"replicatedJobs": [{"name": "first"}, {"name": "second", "x": 1}]}


def test_later_patches_win() -> None:
    patches = [patch_of({"x": 1, "y": 1}), patch_of({"x": 2}), {"manager": "example.com/none"}]
    assert merge_template({}, patches) == {"x": 2, "y": 1}


def test_empty_lists_and_nulls_of_a_patch_clear_nothing_but_empty_volumes_are_volumes() -> None:
    spec: Object = {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "b"}}
    patch = patch_of({"tolerations": [], "nodeSelector": {}, "x": None, "volumes": [{"name": "v", "emptyDir": {}}]})
    assert merge_template(spec, [patch]) == {**spec, "volumes": [{"name": "v", "emptyDir": {}}]}
