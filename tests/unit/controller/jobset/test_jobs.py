"""The Jobs and the Service that a JobSet becomes, with the labels that JobSet v0.12 gives them."""

from __future__ import annotations

import copy

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset.jobs import new_job
from jupyter_trainjob.controller.jobset.labels import coordinator_endpoint, job_key
from jupyter_trainjob.controller.jobset.network import headless_service

from .objects import jobset, replicated

OWNER = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "name": "j",
    "uid": "u",
    "controller": True,
    "blockOwnerDeletion": True,
}


def test_a_job_is_what_the_reference_describes_field_by_field() -> None:
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


def test_indices_count_over_the_whole_jobset_and_over_the_group() -> None:
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


def test_settings_of_the_template_come_before_defaults() -> None:
    job = replicated()
    job["template"]["spec"]["completionMode"] = "NonIndexed"
    job["template"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    made = new_job(jobset(job, suspend=True), job, 0)["spec"]
    assert (made["completionMode"], made["suspend"]) == ("NonIndexed", True)
    assert made["template"]["spec"]["restartPolicy"] == "Never"


def test_the_coordinator_is_told_to_every_job_and_pod() -> None:
    js = jobset(coordinator={"replicatedJob": "node", "podIndex": 1}, network={"subdomain": "s"})
    assert coordinator_endpoint(js) == "j-node-0-1.s"
    made = new_job(js, js["spec"]["replicatedJobs"][0], 0)
    key = "jobset.sigs.k8s.io/coordinator"
    assert made["metadata"]["labels"][key] == made["spec"]["template"]["metadata"]["annotations"][key] == "j-node-0-1.s"


def test_exclusive_topology_is_an_annotation_only() -> None:
    key = "alpha.jobset.sigs.k8s.io/exclusive-topology"
    js = jobset()
    js["metadata"]["annotations"] = {key: "rack"}
    made = new_job(js, js["spec"]["replicatedJobs"][0], 0)
    assert made["metadata"]["annotations"][key] == "rack"
    assert key not in made["metadata"]["labels"]


SERVICES: dict[str, tuple[Object, Object | None]] = {
    "hostnames by default": ({}, {"name": "j", "publish": True}),
    "a subdomain names the Service": ({"subdomain": "s"}, {"name": "s", "publish": True}),
    "addresses only when ready": ({"publishNotReadyAddresses": False}, {"name": "j", "publish": False}),
    "no hostnames, no Service": ({"enableDNSHostnames": False}, None),
}


@pytest.mark.parametrize("case", SERVICES.values(), ids=SERVICES.keys())
def test_headless_service(case: tuple[Object, Object | None]) -> None:
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
