"""TrainJobs, runtimes and JobSets in the API: schema, defaults and pruning."""

from __future__ import annotations

import pytest
from kubeflow_trainer_api import models

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
)

from .server import Server, job, jobset, trainjob


def test_the_smallest_trainjob_gets_its_defaults(server: Server) -> None:
    spec = server.create(TRAINJOBS, trainjob("t"))["spec"]
    assert spec["suspend"] is False
    assert spec["managedBy"] == "trainer.kubeflow.org/trainjob-controller"
    assert spec["runtimeRef"] == {
        "name": "torch-distributed",
        "apiGroup": "trainer.kubeflow.org",
        "kind": "ClusterTrainingRuntime",
    }


def test_resources_of_the_kubeflow_sdk_are_accepted(server: Server) -> None:
    # TrainerClient turns resources_per_node={"cpu": 1} into this model, which writes 1.0.
    amounts = {"cpu": models.IoK8sApimachineryPkgApiResourceQuantity(1)}
    resources = models.IoK8sApiCoreV1ResourceRequirements(limits=amounts, requests=amounts)
    trainer = models.TrainerV1alpha1Trainer(numNodes=2, resourcesPerNode=resources).to_dict()
    assert trainer["resourcesPerNode"]["limits"] == {"cpu": 1.0}
    stored = server.create(TRAINJOBS, trainjob("t", trainer=trainer))["spec"]["trainer"]
    assert repr(stored["resourcesPerNode"]["limits"]["cpu"]) == "1"


def test_defaults_do_not_override_given_values(server: Server) -> None:
    explicit = {
        "suspend": True,
        "managedBy": "kueue.x-k8s.io/multikueue",
        "runtimeRef": {"name": "mine", "apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime"},
    }
    spec = server.create(TRAINJOBS, trainjob("t", **explicit))["spec"]
    assert {key: spec[key] for key in explicit} == explicit


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"runtimeRef": None}, "spec.runtimeRef"),
        ({"runtimeRef": {}}, "spec.runtimeRef.name"),
        ({"runtimeRef": {"name": ""}}, "spec.runtimeRef.name"),
        ({"suspend": "yes"}, "spec.suspend"),
        ({"trainer": {"numNodes": "two"}}, "spec.trainer.numNodes"),
        ({"trainer": {"command": "python"}}, "spec.trainer.command"),
        ({"trainer": {"env": [{"value": "x"}]}}, "spec.trainer.env[0].name"),
        ({"managedBy": "somebody"}, "spec.managedBy"),
        ({"initializer": {"dataset": {"storageUri": "not-a-uri"}}}, "spec.initializer.dataset.storageUri"),
        ({"initializer": {"model": {"storageUri": "hf://"}}}, "spec.initializer.model.storageUri"),
        ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_trainjob_that_violates_its_schema_is_invalid(server: Server, spec: KubeObject, field: str) -> None:
    body = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob("t")}
    merged = {**body["spec"], **spec}
    body["spec"] = {key: value for key, value in merged.items() if value is not None}
    answer = server.send("POST", server.path(TRAINJOBS), body)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert field in {cause["field"] for cause in answer.body["details"]["causes"]}
    assert answer.body["message"].startswith('TrainJob.trainer.kubeflow.org "t" is invalid: ')
    details = answer.body["details"]
    assert (details["group"], details["kind"], details["name"]) == ("trainer.kubeflow.org", "TrainJob", "t")


@pytest.mark.parametrize("uri", ["", "hf://org/model", "s3://bucket/path"])
def test_valid_storage_uri_is_accepted(server: Server, uri: str) -> None:
    server.create(TRAINJOBS, trainjob("t", initializer={"model": {"storageUri": uri}}))


@pytest.mark.parametrize(
    ("spec", "change"),
    [
        ({}, {"runtimeRef": {"name": "other"}}),
        ({}, {"managedBy": "kueue.x-k8s.io/multikueue"}),
        ({"trainer": {"numNodes": 2}}, {"trainer": {"numNodes": 3}}),
        ({"trainer": {"command": ["a"]}}, {"trainer": {"command": ["b"]}}),
        ({"initializer": {"model": {"storageUri": "a://b"}}}, {"initializer": {"model": {"storageUri": "a://c"}}}),
        ({"activeDeadlineSeconds": 60}, {"activeDeadlineSeconds": 61}),
    ],
    ids=["runtimeRef", "managedBy", "numNodes", "command", "initializer", "deadline"],
)
def test_trainjob_spec_is_immutable(server: Server, spec: KubeObject, change: KubeObject) -> None:
    server.create(TRAINJOBS, trainjob("t", **spec))
    answer = server.merge(TRAINJOBS, "t", {"spec": change})
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert "field is immutable" in answer.body["message"]
    causes = {cause["field"] for cause in answer.body["details"]["causes"]}
    assert causes == {f"spec.{next(iter(change))}"}


def test_suspend_may_change_any_time(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    for suspend in (True, False, True):
        assert server.patch(TRAINJOBS, "t", {"spec": {"suspend": suspend}})["spec"]["suspend"] is suspend


def test_unknown_fields_are_pruned(server: Server) -> None:
    body = trainjob("t", nonsense=1, trainer={"numNodes": 2, "nonsense": {"a": "b"}})
    created = server.create(TRAINJOBS, {**body, "nonsense": True})
    assert "nonsense" not in created
    assert "nonsense" not in created["spec"]
    assert created["spec"]["trainer"] == {"numNodes": 2}
    patched = server.patch(TRAINJOBS, "t", {"spec": {"nonsense": 2}})
    assert "nonsense" not in patched["spec"]


def test_strict_field_validation_refuses_unknown_fields(server: Server) -> None:
    body = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob("t", nonsense=1)}
    answer = server.send("POST", server.path(TRAINJOBS), body, query={"fieldValidation": "Strict"})
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.nonsense"' in answer.body["message"]


def test_quantities_of_a_trainjob_are_kept_as_written(server: Server) -> None:
    resources = {"limits": {"cpu": "0.5", "memory": "1024Mi", "nvidia.com/gpu": 1}}
    created = server.create(TRAINJOBS, trainjob("t", trainer={"resourcesPerNode": resources}))
    assert created["spec"]["trainer"]["resourcesPerNode"] == resources


def test_trainjob_status_rejects_incomplete_conditions_and_jobs(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    condition = {
        "type": "Complete",
        "status": "True",
        "reason": "AllJobsCompleted",
        "message": "jobset completed successfully",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    jobs = {"name": "node", "ready": 1, "succeeded": 0, "failed": 0, "active": 1, "suspended": 0}
    status = {"conditions": [condition], "jobsStatus": [jobs]}
    assert server.patch(TRAINJOBS, "t", {"status": status}, subresource="status")["status"] == status
    for half in (
        {"conditions": [{"type": "Complete"}]},
        {"conditions": [{**condition, "status": "Maybe"}]},
        {"jobsStatus": [{"name": "node"}]},
    ):
        assert server.merge(TRAINJOBS, "t", {"status": half}, subresource="status").status == 422


def test_name_of_a_trainjob_is_validated(server: Server) -> None:
    body = {"apiVersion": TRAINJOBS.api_version, "kind": "TrainJob", **trainjob("Bad_Name")}
    answer = server.send("POST", server.path(TRAINJOBS), body)
    assert answer.status == 422
    assert "metadata.name" in {cause["field"] for cause in answer.body["details"]["causes"]}


RUNTIME: KubeObject = {
    "mlPolicy": {"numNodes": 1, "torch": {"numProcPerNode": "auto"}},
    "template": {"spec": {"replicatedJobs": [{"name": "node", "template": job("")}]}},
}


def test_runtimes_are_namespaced_or_cluster_wide(server: Server) -> None:
    metadata: KubeObject = {"labels": {"trainer.kubeflow.org/framework": "torch"}}
    created = server.create(TRAININGRUNTIMES, {"metadata": {**metadata, "name": "r"}, "spec": RUNTIME})
    assert created["spec"]["mlPolicy"]["numNodes"] == 1
    name = f"r-{server.namespace}"
    for_all = server.client.create(CLUSTERTRAININGRUNTIMES, {"metadata": {**metadata, "name": name}, "spec": RUNTIME})
    assert "namespace" not in for_all["metadata"]
    assert server.client.get(CLUSTERTRAININGRUNTIMES, name)["spec"] == for_all["spec"]
    server.client.delete(CLUSTERTRAININGRUNTIMES, name)


def test_runtime_with_two_frameworks_is_invalid(server: Server) -> None:
    both = {**RUNTIME, "mlPolicy": {"numNodes": 1, "torch": {}, "mpi": {"runLauncherAsNode": True}}}
    body = {
        "apiVersion": TRAININGRUNTIMES.api_version,
        "kind": "TrainingRuntime",
        "metadata": {"name": "r"},
        "spec": both,
    }
    answer = server.send("POST", server.path(TRAININGRUNTIMES), body)
    assert answer.status == 422
    assert "only one of torch, mpi, jax, xgboost and flux can be set" in answer.body["message"]


def test_replicated_jobs_of_a_jobset_are_immutable(server: Server) -> None:
    replicated = {"name": "node", "replicas": 2, "template": job("")}
    created = server.create(JOBSETS, jobset("j", replicatedJobs=[replicated]))
    assert created["spec"]["replicatedJobs"][0]["replicas"] == 2
    assert created["metadata"]["generation"] == 1
    change = {"spec": {"suspend": True}}
    assert server.patch(JOBSETS, "j", change)["spec"]["suspend"] is True


def test_replicas_of_a_jobset_default_to_one(server: Server) -> None:
    assert server.create(JOBSETS, jobset("j"))["spec"]["replicatedJobs"][0]["replicas"] == 1
