"""Validation: the same objects give the same errors on every server.

On a real API server the definitions' schemas and CEL rules decide; in the embedded one, `api.schemas.schema` and
`api.schemas.cel_rules`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    PODS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)

from .server import Server, job, jobset, pod, trainjob

CONTAINER: KubeObject = {"name": "main", "image": "none"}


def patches(**pod_spec: Any) -> list[KubeObject]:
    """Return runtimePatches with one patch of the pods of the job `node`."""
    template = {"spec": {"template": {"spec": pod_spec}}}
    jobs = [{"name": "node", "template": template}]
    return [{"manager": "acme.io/test", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}]


def runtime(ml_policy: KubeObject | None = None, **jobset_spec: Any) -> KubeObject:
    """Return a small valid TrainingRuntime."""
    spec = {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": job("")}], **jobset_spec}}}
    return {"metadata": {"name": "mine"}, "spec": {"mlPolicy": ml_policy or {"numNodes": 1}, **spec}}


def job_with(pod_spec: KubeObject, **spec: Any) -> KubeObject:
    """Return a Job with these fields in its pods' spec."""
    whole = job("job", **spec)
    whole["spec"]["template"]["spec"] |= pod_spec
    return whole


REFUSED = [
    # TrainJob
    (TRAINJOBS, {"metadata": {"name": "a"}, "spec": {}}, "spec.runtimeRef", "a TrainJob names its runtime"),
    (TRAINJOBS, trainjob("a", runtimeRef={"name": ""}), "spec.runtimeRef.name", "a runtime's name is not empty"),
    (TRAINJOBS, trainjob("a", runtimeRef={"name": "x" * 254}), "spec.runtimeRef.name", "nor too long"),
    (TRAINJOBS, trainjob("1a"), "", "a TrainJob's name begins with a letter"),
    (TRAINJOBS, trainjob("a" * 64), "", "a TrainJob's name has at most 63 characters"),
    (TRAINJOBS, trainjob("a", suspend="yes"), "spec.suspend", "suspend is true or false"),
    (TRAINJOBS, trainjob("a", trainer={"numNodes": "8"}), "spec.trainer.numNodes", "a number of nodes is a number"),
    (TRAINJOBS, trainjob("a", trainer={"numNodes": 1.5}), "spec.trainer.numNodes", "and a whole one"),
    (TRAINJOBS, trainjob("a", trainer={"image": "x" * 501}), "spec.trainer.image", "an image's name is not too long"),
    (TRAINJOBS, trainjob("a", trainer={"command": ["x"] * 129}), "spec.trainer.command", "a command is not too long"),
    (TRAINJOBS, trainjob("a", trainer={"env": [{"value": "1"}]}), "spec.trainer.env[0].name", "variables have names"),
    (
        TRAINJOBS,
        trainjob("a", trainer={"env": [{"name": "A"}, {"name": "B"}, {"name": "A"}]}),
        "spec.trainer.env[2]",
        "a variable is there once",
    ),
    (
        TRAINJOBS,
        trainjob("a", trainer={"resourcesPerNode": {"limits": {"cpu": "many"}}}),
        "spec.trainer.resourcesPerNode.limits.cpu",
        "an amount is a quantity",
    ),
    (TRAINJOBS, trainjob("a", activeDeadlineSeconds=0), "spec.activeDeadlineSeconds", "a deadline lies ahead"),
    (TRAINJOBS, trainjob("a", managedBy="acme.io/me"), "spec.managedBy", "a manager is a known one"),
    (
        TRAINJOBS,
        trainjob("a", initializer={"dataset": {"storageUri": "hf://"}}),
        "spec.initializer.dataset.storageUri",
        "a storage URI has a path",
    ),
    (
        TRAINJOBS,
        trainjob("a", runtimePatches=[{"manager": "acme.io/x"}, {"manager": "acme.io/x"}]),
        "spec.runtimePatches[1]",
        "a manager has one patch",
    ),
    (
        TRAINJOBS,
        trainjob("a", runtimePatches=[{"manager": "acme.io/x", "time": "yesterday"}]),
        "spec.runtimePatches[0].time",
        "a time is RFC 3339",
    ),
    (
        TRAINJOBS,
        trainjob("a", runtimePatches=patches(containers=[{"name": "node", "volumeMounts": [{"name": "v"}]}])),
        (
            "spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec"
            ".containers[0].volumeMounts[0].mountPath"
        ),
        "a mount has a path",
    ),
    (
        TRAINJOBS,
        trainjob("a", runtimePatches=patches(terminationGracePeriodSeconds=-1)),
        (
            "spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec"
            ".terminationGracePeriodSeconds"
        ),
        "grace is not negative",
    ),
    # TrainingRuntime
    (TRAININGRUNTIMES, runtime({"torch": {}, "mpi": {}}), "spec.mlPolicy", "a runtime has one policy"),
    (
        TRAININGRUNTIMES,
        runtime({"mpi": {"mpiImplementation": "X"}}),
        "spec.mlPolicy.mpi.mpiImplementation",
        "MPI is known",
    ),
    (
        TRAININGRUNTIMES,
        runtime({"flux": {"numProcPerNode": 0}}),
        "spec.mlPolicy.flux.numProcPerNode",
        "Flux has processes",
    ),
    (
        TRAININGRUNTIMES,
        runtime({"torch": {"envInjection": {"targets": [{"jobName": "j", "containerNames": ["node"]}]}}}),
        "spec.mlPolicy.torch.envInjection.targets[0].containerNames",
        "the main container is no target of injection",
    ),
    (
        TRAININGRUNTIMES,
        runtime({"torch": {"envInjection": {"targets": [{"jobName": "j", "containerNames": ["a", "a"]}]}}}),
        "spec.mlPolicy.torch.envInjection.targets[0].containerNames[1]",
        "a target is named once",
    ),
    (TRAININGRUNTIMES, {"metadata": {"name": "mine"}, "spec": {}}, "spec", "a runtime says something"),
    # JobSet
    (
        JOBSETS,
        jobset("a", successPolicy={"operator": "Most"}),
        "spec.successPolicy.operator",
        "a success policy has a known operator",
    ),
    (
        JOBSETS,
        jobset("a", ttlSecondsAfterFinished=-1),
        "spec.ttlSecondsAfterFinished",
        "a time to live is not negative",
    ),
    (
        JOBSETS,
        jobset("a", replicatedJobs=[{"name": "n", "template": job("")}] * 2),
        "spec.replicatedJobs[1]",
        "a replicated job's name is there once",
    ),
    (
        JOBSETS,
        jobset("a", replicatedJobs=[{"name": "n", "template": {"spec": {"template": {"spec": {}}}}}]),
        "spec.replicatedJobs[0].template.spec.template.spec.containers",
        "a pod template has containers",
    ),
    (
        JOBSETS,
        jobset(
            "a",
            startupPolicy={"startupPolicyOrder": "InOrder"},
            replicatedJobs=[
                {"name": "a", "template": job("")},
                {"name": "b", "template": job(""), "dependsOn": [{"name": "a", "status": "Ready"}]},
            ],
        ),
        "spec",
        "jobs start in order or by their dependencies",
    ),
    # Job
    (JOBS, job("a", backoffLimit=-1), "spec.backoffLimit", "a limit is not negative"),
    (JOBS, job("a", completionMode="Indexed", parallelism=2), "spec.completions", "an Indexed Job has completions"),
    (
        JOBS,
        job("a", completionMode="Indexed", completions=10**6, parallelism=10**6),
        "spec.parallelism",
        "an Indexed Job has at most 100,000 pods at once",
    ),
    (
        JOBS,
        job("a", podFailurePolicy={"rules": [{"action": "Count"}]}),
        "spec.podFailurePolicy.rules[0]",
        "a rule of a Job's failure policy is about something",
    ),
    (
        JOBS,
        job(
            "a", podFailurePolicy={"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}]}
        ),
        "spec.podFailurePolicy.rules[0].action",
        "an index fails only where failures count per index",
    ),
    (
        JOBS,
        job("a", completionMode="Indexed", completions=2, successPolicy={"rules": [{"succeededCount": 3}]}),
        "spec.successPolicy.rules[0].succeededCount",
        "a success policy wants no more than there is",
    ),
    (JOBS, job("a", completionMode="Other"), "spec.completionMode", "a completion mode is a known one"),
    (JOBS, job_with({"restartPolicy": "Always"}), "spec.template.spec.restartPolicy", "a Job's pods come to an end"),
    (JOBS, job_with({"containers": []}), "spec.template.spec.containers", "a Job's pods have containers"),
    # Pod
    (PODS, {"metadata": {"name": "a"}, "spec": {}}, "spec.containers", "a pod has containers"),
    (
        PODS,
        {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "m"}]}},
        "spec.containers[0].image",
        "and images",
    ),
    (
        PODS,
        {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "Main", "image": "x"}]}},
        "spec.containers[0].name",
        "a container's name is a DNS label",
    ),
    (
        PODS,
        {"metadata": {"name": "a"}, "spec": {"containers": [CONTAINER, CONTAINER]}},
        "spec.containers[1].name",
        "a container's name is there once",
    ),
    (
        PODS,
        {"metadata": {"name": "a"}, "spec": {"containers": [CONTAINER], "restartPolicy": "Sometimes"}},
        "spec.restartPolicy",
        "a restart policy is a known one",
    ),
    (
        PODS,
        {
            "metadata": {"name": "a"},
            "spec": {"containers": [{**CONTAINER, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
        },
        "spec.containers[0].volumeMounts[0].name",
        "a mount has its volume",
    ),
    (
        PODS,
        {
            "metadata": {"name": "a"},
            "spec": {
                "containers": [{**CONTAINER, "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}],
            },
        },
        "spec.containers[0].resources.requests",
        "a request is within its limit",
    ),
]


@pytest.mark.parametrize(
    ("resource", "obj", "field"),
    [pytest.param(resource, obj, field, id=f"{resource.kind}: {says}") for resource, obj, field, says in REFUSED],
)
def test_invalid_object_is_rejected_with_the_field(
    server: Server, resource: Resource, obj: KubeObject, field: str
) -> None:
    answer = server.send("POST", server.path(resource), _named(resource, obj))
    assert (answer.status, answer.body["reason"]) == (422, "Invalid"), answer.body
    fields = [cause["field"].removeprefix("<nil>") for cause in answer.body["details"]["causes"]]
    assert field in fields, answer.body["details"]["causes"]


FIXED = [
    (TRAINJOBS, trainjob("a", trainer={"numNodes": 2}), {"trainer": {"numNodes": 3}}, "spec.trainer", "the trainer"),
    (TRAINJOBS, trainjob("a"), {"runtimeRef": {"name": "other"}}, "spec.runtimeRef", "the runtime"),
    (
        TRAINJOBS,
        trainjob("a", activeDeadlineSeconds=60),
        {"activeDeadlineSeconds": 61},
        "spec.activeDeadlineSeconds",
        "the deadline",
    ),
    (JOBSETS, jobset("a", network={"subdomain": "x"}), {"network": {"subdomain": "y"}}, "spec.network", "the network"),
    (
        TRAININGRUNTIMES,
        runtime(failurePolicy={"maxRestarts": 1}),
        {"template": {"spec": {"failurePolicy": {"maxRestarts": 2}}}},
        "spec.template.spec.failurePolicy",
        "a runtime's failure policy",
    ),
    (JOBS, job("a", completions=2), {"completions": 3}, "spec.completions", "the completions of a Job without indexes"),
    (JOBS, job("a"), {"completionMode": "Indexed"}, "spec.completionMode", "the completion mode"),
    (JOBS, job("a"), {"template": {"metadata": {"labels": {"a": "b"}}}}, "spec.template", "a running Job's template"),
    (PODS, pod("a"), {"hostname": "other"}, "spec", "a pod's hostname"),
]


@pytest.mark.parametrize(
    ("resource", "obj", "change", "field"),
    [pytest.param(*case[:4], id=f"{case[0].kind}: {case[4]}") for case in FIXED],
)
def test_immutable_fields_cannot_be_changed(
    server: Server, resource: Resource, obj: KubeObject, change: KubeObject, field: str
) -> None:
    created = server.create(resource, deepcopy(obj))
    answer = server.merge(resource, created["metadata"]["name"], {"spec": change})
    assert (answer.status, answer.body["reason"]) == (422, "Invalid"), answer.body
    assert field in [cause["field"] for cause in answer.body["details"]["causes"]]


CHANGEABLE = [
    (TRAINJOBS, trainjob("a"), {"suspend": True}, "a TrainJob is suspended"),
    (TRAINJOBS, trainjob("a"), {"activeDeadlineSeconds": 60}, "a deadline is added later"),
    (TRAINJOBS, trainjob("a", trainer={"numNodes": 2}), {"trainer": None}, "the trainer is taken away"),
    (JOBS, job("a", suspend=True), {"template": {"metadata": {"labels": {"a": "b"}}}}, "a suspended Job's labels"),
    (
        JOBS,
        job("a", suspend=True),
        {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}},
        "a suspended Job's node selector",
    ),
    (
        JOBS,
        job("a", completionMode="Indexed", completions=2, parallelism=2),
        {"completions": 3, "parallelism": 3},
        "completions of an Indexed Job together with its parallelism",
    ),
    (JOBS, job("a"), {"parallelism": 0, "backoffLimit": 9}, "a Job's parallelism and limit"),
]


@pytest.mark.parametrize(
    ("resource", "obj", "change"),
    [pytest.param(*case[:3], id=f"{case[0].kind}: {case[3]}") for case in CHANGEABLE],
)
def test_mutable_fields_can_be_changed(server: Server, resource: Resource, obj: KubeObject, change: KubeObject) -> None:
    created = server.create(resource, deepcopy(obj))
    answer = server.merge(resource, created["metadata"]["name"], {"spec": change})
    assert answer.status == 200, answer.body


def test_status_is_validated_against_its_schema(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("a"))
    for status in (
        {"trainerStatus": {"progressPercentage": 101, "lastUpdatedTime": "2026-01-01T00:00:00Z"}},
        {"trainerStatus": {"progressPercentage": 50}},
        {"jobsStatus": [{"name": "node"}]},
        {
            "conditions": [
                {"type": "Complete", "status": "Maybe", "reason": "R", "message": "", "lastTransitionTime": "x"}
            ]
        },
    ):
        assert server.merge(TRAINJOBS, "a", {"status": status}, subresource="status").status == 422, status
    good = {"trainerStatus": {"progressPercentage": 50, "lastUpdatedTime": "2026-01-01T00:00:00Z"}}
    assert server.merge(TRAINJOBS, "a", {"status": good}, subresource="status").status == 200


@pytest.mark.parametrize("shipped", runtimes.load_runtimes(), ids=lambda runtime: str(runtime["metadata"]["name"]))
def test_shipped_runtimes_are_accepted(server: Server, shipped: KubeObject) -> None:
    whole = {
        **shipped,
        "metadata": {**shipped["metadata"], "name": f"{shipped['metadata']['name']}-{server.namespace}"},
    }
    assert server.client.create(CLUSTERTRAININGRUNTIMES, whole)["spec"]["mlPolicy"] == shipped["spec"]["mlPolicy"]


def _named(resource: Resource, obj: KubeObject) -> KubeObject:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **deepcopy(obj)}
