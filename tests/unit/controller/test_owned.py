"""Merge patches for a suspended JobSet: exactly what differs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.owned import jobset_patch


def jobset(**changes: Any) -> Object:
    pods: Object = {"containers": [{"name": "node", "image": "i", "env": [{"name": "A", "value": "1"}]}]}
    pods.update(changes.get("pods", {}))
    template: Object = {"spec": pods}
    if "metadata" in changes:
        template["metadata"] = changes["metadata"]
    job = {"name": "node", "replicas": 1, "template": {"spec": {"parallelism": 1, "template": template}}}
    job["template"]["spec"].update(changes.get("job", {}))  # type: ignore[index]
    spec = {"suspend": changes.get("suspend", True), "replicatedJobs": [job], **changes.get("spec", {})}
    return {"metadata": {"name": "j", **changes.get("top", {})}, "spec": spec}


SAME: dict[str, tuple[Object, Object]] = {
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
def test_nothing_is_written_for(case: tuple[Object, Object]) -> None:
    assert jobset_patch(*case) == {}


def test_resuming_writes_that_and_nothing_else() -> None:
    assert jobset_patch(jobset(spec={"network": {}}), jobset(suspend=False)) == {"spec": {"suspend": False}}


def test_labels_of_the_jobset_are_added() -> None:
    patch = jobset_patch(jobset(top={"labels": {"a": "1"}}), jobset(top={"labels": {"a": "1", "b": "2"}}))
    assert patch == {"metadata": {"labels": {"b": "2"}}}


def test_where_pods_run_is_ours_altogether_so_that_it_can_be_taken_back() -> None:
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


def test_items_of_a_list_that_the_server_does_not_fill_are_replaced_whole() -> None:
    source = {"fieldRef": {"fieldPath": "metadata.name"}}
    wanted = jobset(pods={"containers": [{"name": "node", "image": "i", "env": [{"name": "A", "valueFrom": source}]}]})
    patch = jobset_patch(jobset(), wanted)
    container = patch["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "valueFrom": source}]
