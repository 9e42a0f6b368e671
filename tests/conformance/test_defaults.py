"""Defaults and pruning: the same objects are stored with the same fields on every server."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from jupyter_trainjob.api.resources import (
    JOBS,
    PODS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)

from .server import Server, job, trainjob

CONTAINER: KubeObject = {"name": "main", "image": "none"}


def runtime(ml_policy: KubeObject | None = None, **jobset_spec: Any) -> KubeObject:
    """Return a small valid TrainingRuntime."""
    spec = {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": job("")}], **jobset_spec}}}
    return {"metadata": {"name": "mine"}, "spec": {"mlPolicy": ml_policy or {"numNodes": 1}, **spec}}


DEFAULTED = [
    (
        TRAINJOBS,
        trainjob("a", unknown=1, trainer={"numNodes": None, "image": "x"}),
        {
            "runtimeRef": {
                "name": "torch-distributed",
                "apiGroup": "trainer.kubeflow.org",
                "kind": "ClusterTrainingRuntime",
            },
            "managedBy": "trainer.kubeflow.org/trainjob-controller",
            "suspend": False,
            "trainer": {"image": "x"},
        },
        "a TrainJob",
    ),
    (
        TRAININGRUNTIMES,
        runtime({"mpi": {}}, failurePolicy={}, unknown=1),
        {
            "mlPolicy": {
                "mpi": {
                    "mpiImplementation": "OpenMPI",
                    "numProcPerNode": 1,
                    "runLauncherAsNode": False,
                    "sshAuthMountPath": "/root/.ssh",
                }
            },
            "template": {
                "spec": {
                    "failurePolicy": {"restartStrategy": "Recreate"},
                    "replicatedJobs": [
                        {
                            "name": "node",
                            "groupName": "default",
                            "replicas": 1,
                            "template": {"metadata": {"name": ""}, "spec": job("")["spec"]},
                        }
                    ],
                }
            },
        },
        "a TrainingRuntime",
    ),
]


@pytest.mark.parametrize(("resource", "obj", "spec"), [pytest.param(*case[:3], id=case[3]) for case in DEFAULTED])
def test_defaults_are_set_and_unknown_fields_pruned(
    server: Server, resource: Resource, obj: KubeObject, spec: KubeObject
) -> None:
    assert server.create(resource, deepcopy(obj))["spec"] == spec


def test_job_and_its_pods_get_their_defaults(server: Server) -> None:
    spec = server.create(JOBS, job("a"))["spec"]
    names = ("parallelism", "completions", "backoffLimit", "completionMode", "suspend", "podReplacementPolicy")
    assert [spec[name] for name in names] == [1, 1, 6, "NonIndexed", False, "TerminatingOrFailed"]
    uid = server.get(JOBS, "a")["metadata"]["uid"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "a",
        "controller-uid": uid,
        "job-name": "a",
    }
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    assert spec["template"]["spec"]["containers"] == [
        {
            **CONTAINER,
            "imagePullPolicy": "Always",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }
    ]


def test_requests_of_a_pod_default_to_its_limits(server: Server) -> None:
    resources = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}
    obj = {"metadata": {"name": "a"}, "spec": {"containers": [{**CONTAINER, "resources": resources}]}}
    container = server.create(PODS, obj)["spec"]["containers"][0]
    assert container["resources"] == {**resources, "requests": {"cpu": "1", "memory": "1Gi"}}
