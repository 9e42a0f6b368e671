"""Merge patches for a suspended JobSet contain exactly the differences."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.owned_fields import jobset_patch


def jobset(**changes: Any) -> KubeObject:
    pods: KubeObject = {"containers": [{"name": "node", "image": "i", "env": [{"name": "A", "value": "1"}]}]}
    pods.update(changes.get("pods", {}))
    template: KubeObject = {"spec": pods}
    if "metadata" in changes:
        template["metadata"] = changes["metadata"]
    job = {"name": "node", "replicas": 1, "template": {"spec": {"parallelism": 1, "template": template}}}
    job["template"]["spec"].update(changes.get("job", {}))  # type: ignore[index]
    spec = {"suspend": changes.get("suspend", True), "replicatedJobs": [job], **changes.get("spec", {})}
    return {"metadata": {"name": "j", **changes.get("top", {})}, "spec": spec}


SAME: dict[str, tuple[KubeObject, KubeObject]] = {
    "equal objects": (jobset(), jobset()),
    "defaults of the server": (
        jobset(
            spec={"network": {"enableDNSHostnames": True}, "startupPolicy": {"startupPolicyOrder": "AnyOrder"}},
            job={"completionMode": "Indexed"},
            pods={"restartPolicy": "OnFailure"},
        ),
        jobset(),
    ),
    "labels that others have put on the JobSet": (jobset(top={"labels": {"queue": "q"}}), jobset()),
}


@pytest.mark.parametrize("case", SAME.values(), ids=SAME.keys())
def test_patch_is_empty_for_equal_fields(case: tuple[KubeObject, KubeObject]) -> None:
    assert jobset_patch(*case) == {}


def test_resuming_writes_only_the_suspend_field() -> None:
    assert jobset_patch(jobset(spec={"network": {}}), jobset(suspend=False)) == {"spec": {"suspend": False}}


def test_labels_of_the_jobset_are_added() -> None:
    patch = jobset_patch(jobset(top={"labels": {"a": "1"}}), jobset(top={"labels": {"a": "1", "b": "2"}}))
    assert patch == {"metadata": {"labels": {"b": "2"}}}


def test_scheduling_fields_are_owned_so_that_they_can_be_removed() -> None:
    current = jobset(
        pods={"nodeSelector": {"zone": "a"}, "tolerations": [{"key": "x"}], "restartPolicy": "Never"},
        metadata={"labels": {"a": "b"}},
    )
    wanted = jobset(pods={"nodeSelector": {"pool": "b"}})
    before = copy.deepcopy((current, wanted))
    patch = jobset_patch(current, wanted)
    assert (current, wanted) == before
    template = patch["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"pool": "b"}
    assert template["spec"]["restartPolicy"] == "Never"
    assert "tolerations" not in template["spec"]
    assert "metadata" not in template
    assert list(patch["spec"]) == ["replicatedJobs"]


def test_lists_without_server_defaults_are_replaced_completely() -> None:
    source = {"fieldRef": {"fieldPath": "metadata.name"}}
    wanted = jobset(pods={"containers": [{"name": "node", "image": "i", "env": [{"name": "A", "valueFrom": source}]}]})
    patch = jobset_patch(jobset(), wanted)
    container = patch["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "valueFrom": source}]
