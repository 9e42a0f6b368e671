"""The Jobs and the Service of a JobSet, with the labels of JobSet v0.12."""

from __future__ import annotations

import copy

import pytest

from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset.headless_service import headless_service
from jupyter_trainjob.controller.jobset.job_template import new_job
from jupyter_trainjob.controller.jobset.labels import job_key

from .objects import jobset, replicated

OWNER = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "name": "j",
    "uid": "u",
    "controller": True,
    "blockOwnerDeletion": True,
}


def test_job_equals_the_reference() -> None:
    js = jobset(replicated("first", replicas=2), replicated(pods=2, groupName="g"), status={"restarts": 3})
    js["spec"]["replicatedJobs"][1]["template"]["metadata"] = {"labels": {"a": "b"}, "name": "ignored"}
    before = copy.deepcopy(js)
    marks = {
        "jobset.sigs.k8s.io/jobset-name": "j",
        "jobset.sigs.k8s.io/jobset-uid": "u",
        "jobset.sigs.k8s.io/replicatedjob-name": "node",
        "jobset.sigs.k8s.io/replicatedjob-replicas": "1",
        "jobset.sigs.k8s.io/restart-attempt": "3",
        "jobset.sigs.k8s.io/global-replicas": "3",
        "jobset.sigs.k8s.io/job-index": "0",
        "jobset.sigs.k8s.io/job-key": "c86c55b443d645a6bd87b4621848f5b25d6a29ab",
        "jobset.sigs.k8s.io/job-global-index": "2",
        "jobset.sigs.k8s.io/group-name": "g",
        "jobset.sigs.k8s.io/group-replicas": "1",
        "jobset.sigs.k8s.io/job-group-index": "0",
    }
    assert new_job(js, js["spec"]["replicatedJobs"][1], 0) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "j-node-0",
            "namespace": "ns",
            "labels": {"a": "b", **marks},
            "annotations": marks,
            "ownerReferences": [OWNER],
        },
        "spec": {
            "parallelism": 2,
            "completions": 2,
            "completionMode": "Indexed",
            "suspend": False,
            "template": {
                "metadata": {"labels": marks, "annotations": marks},
                "spec": {
                    "containers": [{"name": "node", "image": "i"}],
                    "restartPolicy": "OnFailure",
                    "subdomain": "j",
                },
            },
        },
    }
    assert js == before


def test_the_job_key_is_the_sha1_of_namespace_and_name() -> None:
    assert job_key("default", "a-node-0") == "2b73ecf9deb65775a01f2f95afca7da351c61b60"


def test_job_indices_are_global_and_per_group() -> None:
    js = jobset(
        replicated("a", replicas=2, groupName="x"), replicated("b", replicas=3), replicated("c", 1, groupName="x")
    )
    labels = new_job(js, js["spec"]["replicatedJobs"][2], 0)["metadata"]["labels"]
    assert labels["jobset.sigs.k8s.io/job-global-index"] == "5"
    assert labels["jobset.sigs.k8s.io/job-group-index"] == "2"
    assert labels["jobset.sigs.k8s.io/group-replicas"] == "3"
    labels = new_job(js, js["spec"]["replicatedJobs"][1], 2)["metadata"]["labels"]
    assert labels["jobset.sigs.k8s.io/job-global-index"] == "4"
    assert labels["jobset.sigs.k8s.io/group-name"] == "default"


def test_template_settings_override_defaults() -> None:
    job = replicated()
    job["template"]["spec"]["completionMode"] = "NonIndexed"
    job["template"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    spec = new_job(jobset(job, suspend=True), job, 0)["spec"]
    assert (spec["completionMode"], spec["suspend"]) == ("NonIndexed", True)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_every_job_and_pod_names_the_coordinator() -> None:
    js = jobset(coordinator={"replicatedJob": "node", "podIndex": 1}, network={"subdomain": "s"})
    assert jobsets.coordinator_endpoint(js) == "j-node-0-1.s"
    created = new_job(js, js["spec"]["replicatedJobs"][0], 0)
    key = "jobset.sigs.k8s.io/coordinator"
    assert (
        created["metadata"]["labels"][key]
        == created["spec"]["template"]["metadata"]["annotations"][key]
        == "j-node-0-1.s"
    )


def test_exclusive_topology_is_an_annotation_only() -> None:
    key = "alpha.jobset.sigs.k8s.io/exclusive-topology"
    js = jobset()
    js["metadata"]["annotations"] = {key: "rack"}
    created = new_job(js, js["spec"]["replicatedJobs"][0], 0)
    assert created["metadata"]["annotations"][key] == "rack"
    assert key not in created["metadata"]["labels"]


SERVICES: dict[str, tuple[KubeObject, KubeObject | None]] = {
    "hostnames by default": ({}, {"name": "j", "publish": True}),
    "a subdomain names the Service": ({"subdomain": "s"}, {"name": "s", "publish": True}),
    "addresses only when ready": ({"publishNotReadyAddresses": False}, {"name": "j", "publish": False}),
    "no hostnames, no Service": ({"enableDNSHostnames": False}, None),
}


@pytest.mark.parametrize("case", SERVICES.values(), ids=SERVICES.keys())
def test_headless_service(case: tuple[KubeObject, KubeObject | None]) -> None:
    network, expected = case
    js = jobset(network=network)
    service = headless_service(js)
    pods = new_job(js, js["spec"]["replicatedJobs"][0], 0)["spec"]["template"]["spec"]
    if expected is None:
        assert service is None
        assert "subdomain" not in pods
        return
    assert service is not None
    assert pods["subdomain"] == service["metadata"]["name"] == expected["name"]
    assert service["metadata"]["ownerReferences"] == [OWNER]
    assert service["spec"] == {
        "clusterIP": "None",
        "selector": {"jobset.sigs.k8s.io/jobset-name": "j"},
        "publishNotReadyAddresses": expected["publish"],
    }
