"""Validation of JobSets beyond their failure policy."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.kinds import jobset_rules
from jupyter_trainjob.api.resources import KubeObject


def replicated(name: str = "first", mounts: tuple[str, ...] = (), **more: Any) -> KubeObject:
    container = {"name": "main", "volumeMounts": [{"name": mount, "mountPath": f"/{mount}"} for mount in mounts]}
    template = {"spec": {"containers": [container], "volumes": more.pop("volumes", [])}}
    job_spec = {"completions": 2, "completionMode": more.pop("mode", "Indexed"), "template": template}
    return {"name": name, "replicas": 1, "template": {"spec": job_spec}, **more}


def claims(*names: str) -> KubeObject:
    return {"volumeClaimPolicies": [{"templates": [{"metadata": {"name": name}} for name in names]}]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({}, "", id="valid"),
        pytest.param({"managedBy": "acme.io/controller"}, "", id="another controller"),
        pytest.param({"managedBy": "controller"}, "spec.managedBy", id="controller without a domain"),
        pytest.param({"managedBy": f"acme.io/{'c' * 60}"}, "spec.managedBy", id="controller with a long name"),
        pytest.param({"coordinator": {"replicatedJob": "first", "podIndex": 1}}, "", id="coordinator"),
        pytest.param(
            {"coordinator": {"replicatedJob": "other"}}, "spec.coordinator.replicatedJob", id="coordinator of no job"
        ),
        pytest.param(
            {"coordinator": {"replicatedJob": "first", "jobIndex": 1}}, "spec.coordinator.jobIndex", id="no such Job"
        ),
        pytest.param(
            {"coordinator": {"replicatedJob": "first", "podIndex": 2}}, "spec.coordinator.podIndex", id="no such Pod"
        ),
        pytest.param(
            {"coordinator": {"replicatedJob": "first"}, "replicatedJobs": [replicated(mode="NonIndexed")]},
            "spec.coordinator.replicatedJob",
            id="coordinator without an index",
        ),
        pytest.param(
            {"coordinator": {"replicatedJob": "first"}, "network": {"subdomain": "s" * 63}},
            "spec.coordinator",
            id="coordinator with a long host name",
        ),
        pytest.param(claims("data") | {"replicatedJobs": [replicated(mounts=("data",))]}, "", id="claim"),
        pytest.param(claims("data"), "spec.volumeClaimPolicies[0].templates[0].metadata.name", id="claim not mounted"),
        pytest.param(
            claims("data", "data") | {"replicatedJobs": [replicated(mounts=("data",))]},
            "spec.volumeClaimPolicies[0].templates[1].metadata.name",
            id="two claims of one name",
        ),
        pytest.param(
            claims("data") | {"replicatedJobs": [replicated(mounts=("data",), volumes=[{"name": "data"}])]},
            "spec.volumeClaimPolicies[0].templates[0].metadata.name",
            id="claim with the name of a volume",
        ),
        pytest.param(
            {"replicatedJobs": [replicated(groupName="Big")]},
            "spec.replicatedJobs[0].groupName",
            id="group in capitals",
        ),
        pytest.param(
            {"replicatedJobs": [replicated(dependsOn=[{"name": "later", "status": "Ready"}]), replicated("later")]},
            "spec.replicatedJobs[0].dependsOn",
            id="dependency on a later job",
        ),
        pytest.param(
            {"failurePolicy": {"rules": [{"name": "a", "action": "FailJobSet", "onJobFailureReasons": ["Bad"]}]}},
            "spec.failurePolicy.rules[0].onJobFailureReasons",
            id="unknown reason of failure",
        ),
    ],
)
def test_invalid_field_is_named(spec: KubeObject, field: str) -> None:
    jobset = {"metadata": {"name": "set"}, "spec": {"replicatedJobs": [replicated()], **spec}}
    assert [error.field for error in jobset_rules.validate(jobset)] == [field] * bool(field)
