"""Runtime patches of a TrainJob, merged into the template of its runtime."""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.framework.runtime_patches import merge_runtime_patches


def patch_of(spec: KubeObject) -> KubeObject:
    return {"manager": "example.com/me", "trainingRuntimeSpec": {"template": {"spec": spec}}}


def test_replicated_jobs_keep_the_order_of_the_runtime() -> None:
    spec = {"replicatedJobs": [{"name": "first"}, {"name": "second"}]}
    patch = patch_of({"replicatedJobs": [{"name": "second", "x": 1}]})
    assert merge_runtime_patches(spec, [patch]) == {"replicatedJobs": [{"name": "first"}, {"name": "second", "x": 1}]}


def test_later_patches_win() -> None:
    patches = [patch_of({"x": 1, "y": 1}), patch_of({"x": 2}), {"manager": "example.com/none"}]
    assert merge_runtime_patches({}, patches) == {"x": 2, "y": 1}


def test_empty_lists_and_nulls_of_a_patch_change_nothing_except_empty_volume_sources() -> None:
    spec: KubeObject = {"tolerations": [{"key": "a"}], "nodeSelector": {"a": "b"}}
    patch = patch_of({"tolerations": [], "nodeSelector": {}, "x": None, "volumes": [{"name": "v", "emptyDir": {}}]})
    assert merge_runtime_patches(spec, [patch]) == {**spec, "volumes": [{"name": "v", "emptyDir": {}}]}
