"""Validation and defaults of the admission webhooks of Trainer and JobSet."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from jupyter_trainjob.api.admission import defaults, validation, webhooks
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    PODS,
    PRIORITYCLASSES,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import decoding

EARLIER = "2026-01-01T00:00:00Z"


def stored(resource: Resource, spec: KubeObject, *, name: str = "a", old: KubeObject | None = None) -> KubeObject:
    metadata = {"name": name, "namespace": "default", "uid": "the-uid"}
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": deepcopy(spec)}
    return defaults.apply_defaults(resource, obj, old)


def fields(resource: Resource, spec: KubeObject, *, name: str = "a", old: KubeObject | None = None) -> list[str]:
    before = None if old is None else stored(resource, old, name=name)
    new = stored(resource, spec, name=name)
    assert validation.validate(resource, new, before) == []
    return [error.field for error in webhooks.iter_denials(resource, new, before)]


def template(**pod_spec: Any) -> KubeObject:
    return {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "x"}], **pod_spec}}}}


def trainjob(*patches: KubeObject, **spec: Any) -> KubeObject:
    return {"runtimeRef": {"name": "torch-distributed"}, "runtimePatches": list(patches), **spec}


def patch(manager: str = "acme.io/a", **more: Any) -> KubeObject:
    """Return a runtime patch that labels pods, or says what is given about the containers of the job `node`."""
    jobs = [{"name": "node", "template": {"spec": {"template": {"spec": more.pop("pod", {})}}}}]
    labels = {"labels": {"a": more.pop("label", "b")}}
    return {
        "manager": manager,
        "trainingRuntimeSpec": {"template": {"metadata": labels, "spec": {"replicatedJobs": jobs}}},
        **more,
    }


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        pytest.param({"runtimeRef": {"name": "x", "kind": "Runtime"}}, "", id="a runtime of an unknown kind"),
        pytest.param({"runtimeRef": {"name": "x", "apiGroup": "acme.io"}}, "", id="a runtime of an unknown group"),
        pytest.param(trainjob(patch("me")), "spec.runtimePatches.manager", id="a manager without a domain"),
        pytest.param(trainjob(patch("acme.io/")), "spec.runtimePatches.manager", id="a manager without a path"),
        pytest.param(
            trainjob(patch(pod={"containers": [{"name": "node", "env": [{"name": "A"}]}]})),
            "spec.runtimePatches",
            id="variables of the main container in a patch",
        ),
    ],
)
def test_invalid_trainjob_is_rejected(spec: KubeObject, field: str) -> None:
    assert fields(TRAINJOBS, spec) == [field]


def test_trainjob_with_a_patch_for_another_container_is_accepted() -> None:
    assert fields(TRAINJOBS, trainjob(patch(pod={"containers": [{"name": "side", "env": [{"name": "A"}]}]}))) == []


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(False, False, True, id="rejected while running"),
        pytest.param(True, False, False, id="accepted while resuming"),
        pytest.param(False, True, False, id="accepted while suspending"),
    ],
)
def test_runtime_patches_are_mutable_only_while_the_trainjob_is_suspended(
    before: bool, after: bool, refused: bool
) -> None:
    old = trainjob(patch(label="b"), suspend=before)
    new = trainjob(patch(label="c"), suspend=after)
    assert fields(TRAINJOBS, new, old=old) == (["spec.runtimePatches"] if refused else [])


def test_server_sets_the_time_of_a_runtime_patch() -> None:
    def times(*patches: KubeObject, old: KubeObject | None = None) -> list[str]:
        return [patch["time"] for patch in stored(TRAINJOBS, trainjob(*patches), old=old)["spec"]["runtimePatches"]]

    assert times(patch()) > [EARLIER]
    assert times(patch(time=EARLIER)) == [EARLIER]
    old = stored(TRAINJOBS, trainjob(patch(time=EARLIER)))
    assert times(patch(), old=old) == [EARLIER]
    assert times(patch(time="2027-01-01T00:00:00Z"), old=old) == [EARLIER]
    changed, added = times(patch(label="c", time=EARLIER), patch("acme.io/new", time=EARLIER), old=old)
    assert (changed > EARLIER, added) == (True, EARLIER)


def runtime(*, replicas: int = 1, step: str = "trainer", container: str = "node") -> KubeObject:
    labelled = template(containers=[{"name": container, "image": "x"}])
    labelled["metadata"] = {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": step}}
    return {"template": {"spec": {"replicatedJobs": [{"name": "node", "replicas": replicas, "template": labelled}]}}}


CONTAINERS = "spec.template.spec.replicatedJobs[0].template.spec.template.spec.containers"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(runtime(), [], id="a job of a step that has its container"),
        pytest.param(runtime(container="main"), [CONTAINERS], id="a trainer needs the container node"),
        pytest.param(runtime(step="dataset-initializer"), [CONTAINERS], id="an initializer needs its container"),
        pytest.param(runtime(step="else", container="main"), [], id="another step needs no container"),
        pytest.param(
            runtime(replicas=2), ["spec.template.spec.replicatedJobs[0].replicas"], id="a step has one Job, not several"
        ),
    ],
)
def test_runtime_is_validated(spec: KubeObject, expected: list[str]) -> None:
    assert fields(CLUSTERTRAININGRUNTIMES, spec) == expected
    assert fields(TRAININGRUNTIMES, spec) == expected


def test_update_of_a_cluster_runtime_is_validated_and_of_a_runtime_is_not() -> None:
    assert fields(CLUSTERTRAININGRUNTIMES, runtime(container="main"), old=runtime()) == [CONTAINERS]
    assert fields(TRAININGRUNTIMES, runtime(container="main"), old=runtime()) == []


def torch_runtime(**policy: Any) -> KubeObject:
    """Return a runtime whose job `node` has a container `node` and an init container `fetch`."""
    job = {"name": "node", "template": template(initContainers=[{"name": "fetch", "image": "x"}])}
    return {"spec": {"mlPolicy": policy or {"torch": {}}, "template": {"spec": {"replicatedJobs": [job]}}}}


RESERVED = {"env": [{"name": "PET_NODE_RANK", "value": "1"}, {"name": "A"}, {"name": "PET_MASTER_ADDR", "value": "x"}]}
FOR_ANOTHER_JOB = patch()
FOR_ANOTHER_JOB["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]["name"] = "other"
TARGET = {"jobName": "node", "containerNames": ["fetch", "missing"]}
NO_LAUNCHER = "either launcher and node"


@pytest.mark.parametrize(
    ("spec", "runtime_found", "expected"),
    [
        pytest.param(trainjob(patch(pod={"containers": [{"name": "node"}]})), torch_runtime(), "", id="all are there"),
        pytest.param(
            trainjob(),
            None,
            'spec.RuntimeRef: Invalid value: {"name":"torch-distributed","apiGroup":"trainer.kubeflow.org",'
            '"kind":"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "torch-distributed" not '
            "found: specified clusterTrainingRuntime must be created before the TrainJob is created",
            id="the runtime exists",
        ),
        pytest.param(
            trainjob(trainer=RESERVED),
            torch_runtime(),
            'spec.trainer.env: Invalid value: [{"name":"PET_NODE_RANK","value":"1"},{"name":"A"},'
            '{"name":"PET_MASTER_ADDR","value":"x"}]: must not have reserved envs, invalid envs configured: '
            "[PET_MASTER_ADDR PET_NODE_RANK]",
            id="torchrun's variables are the plugin's",
        ),
        pytest.param(trainjob(trainer=RESERVED), torch_runtime(numNodes=1), "", id="under a torch policy only"),
        pytest.param(
            trainjob(FOR_ANOTHER_JOB),
            torch_runtime(),
            "must not have replicated job that doesn't exist in the runtime job template",
            id="a patch for a missing job",
        ),
        pytest.param(
            trainjob(patch(pod={"containers": [{"name": "side"}]})),
            torch_runtime(),
            "must not have container that doesn't exist in the runtime job node",
            id="a patch for a missing container",
        ),
        pytest.param(
            trainjob(patch(pod={"initContainers": [{"name": "side"}]})),
            torch_runtime(),
            "must not have initContainer that doesn't exist in the runtime job node",
            id="a patch for a missing init container",
        ),
        pytest.param(
            trainjob(initializer={"dataset": {}}),
            torch_runtime(),
            "must have dataset-initializer job when trainJob is configured with input datasetConfig",
            id="an initializer has its job",
        ),
        pytest.param(
            trainjob(),
            torch_runtime(torch={"envInjection": {"targets": [TARGET]}}),
            'envInjection target podSet "node" container "missing" not found in runtime template',
            id="a missing target of injection",
        ),
        pytest.param(
            trainjob(trainer={"numNodes": 2}),
            torch_runtime(mpi={"runLauncherAsNode": True}),
            NO_LAUNCHER,
            id="several MPI nodes need a launcher",
        ),
        pytest.param(
            trainjob(trainer={"env": [{"name": "DMLC_TASK_ID"}]}),
            torch_runtime(xgboost={}),
            "spec.trainer.env[0]: Forbidden: DMLC_TASK_ID is reserved for the XGBoost runtime",
            id="XGBoost's variables are the plugin's",
        ),
        pytest.param(
            trainjob(trainer={"numProcPerNode": 0}),
            torch_runtime(flux={"numProcPerNode": 1}),
            "must be greater than or equal to 1 for Flux TrainJob",
            id="Flux has a process",
        ),
    ],
)
def test_trainjob_is_validated_against_its_runtime(
    spec: KubeObject, runtime_found: KubeObject | None, expected: str
) -> None:
    why = webhooks.denial_message(TRAINJOBS, stored(TRAINJOBS, spec), None, find=lambda *_: runtime_found)
    assert (expected in why) if expected else (why == "")


def denial(old: KubeObject | None, new: KubeObject, objects: dict[Resource, KubeObject]) -> str:
    """Return why a TrainJob is denied in a cluster with one object of each of these kinds."""
    before = None if old is None else stored(TRAINJOBS, old)
    return webhooks.denial_message(
        TRAINJOBS, stored(TRAINJOBS, new), before, find=lambda resource, *_: objects.get(resource)
    )


@pytest.mark.parametrize("active", [0, 1])
def test_patches_change_only_while_no_pod_runs(active: int) -> None:
    counts = [{"name": "node", "active": active}]
    objects = {CLUSTERTRAININGRUNTIMES: torch_runtime(), JOBSETS: {"status": {"replicatedJobsStatus": counts}}}
    old, new = trainjob(suspend=True), trainjob(patch(), suspend=True)
    why = denial(old, new, objects)
    assert why == active * (
        "spec.runtimePatches: Forbidden: RuntimePatches cannot be modified when the JobSet's ReplicatedJob node is "
        "still active"
    )
    assert denial(old, trainjob(suspend=False), objects) == ""


@pytest.mark.parametrize(
    ("queue", "priority", "expected"),
    [
        pytest.param("team", "high", "", id="existing class"),
        pytest.param("", "high", "Volcano queue name must not be empty", id="empty queue"),
        pytest.param("team", "low", 'PriorityClass "low" doesn\'t exist', id="missing class"),
        pytest.param("team", "system-node-critical", "", id="class of the system"),
    ],
)
def test_volcano_needs_a_queue_and_a_priority_class(queue: str, priority: str, expected: str) -> None:
    job = {"name": "node", "template": template(priorityClassName=priority)}
    jobset = {
        "metadata": {"annotations": {"scheduling.volcano.sh/queue-name": queue}},
        "spec": {"replicatedJobs": [job]},
    }
    runtime = {"spec": {"podGroupPolicy": {"volcano": {}}, "template": jobset}}
    found: dict[tuple[Resource, str], KubeObject] = {
        (CLUSTERTRAININGRUNTIMES, "torch-distributed"): runtime,
        (PRIORITYCLASSES, "high"): {},
    }
    new = stored(TRAINJOBS, trainjob())
    why = webhooks.denial_message(TRAINJOBS, new, None, find=lambda resource, name, _: found.get((resource, name)))
    assert (expected in why) if expected else (why == "")


def test_trainjob_can_be_updated_after_its_runtime_is_deleted() -> None:
    old, new = stored(TRAINJOBS, trainjob()), stored(TRAINJOBS, trainjob(suspend=True))
    assert webhooks.denial_message(TRAINJOBS, new, old, find=lambda *_: None) == ""


def jobset(*names: str, **spec: Any) -> KubeObject:
    return {"replicatedJobs": [{"name": name, "template": template()} for name in names or ("node",)], **spec}


def test_jobset_gets_the_defaults_of_its_webhook() -> None:
    rules = {"rules": [{"action": "FailJobSet", "name": ""}, {"action": "FailJobSet", "name": "mine"}]}
    spec = stored(JOBSETS, jobset(failurePolicy=rules))["spec"]
    assert spec["successPolicy"] == {"operator": "All"}
    assert spec["startupPolicy"] == {"startupPolicyOrder": "AnyOrder"}
    assert spec["network"] == {"enableDNSHostnames": True, "publishNotReadyAddresses": True}
    job = spec["replicatedJobs"][0]
    assert (job["replicas"], job["groupName"]) == (1, "default")
    assert job["template"]["spec"]["completionMode"] == "Indexed"
    assert job["template"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert [rule["name"] for rule in spec["failurePolicy"]["rules"]] == ["failurePolicyRule0", "mine"]


def test_defaults_do_not_override_values_of_a_jobset() -> None:
    submitted = jobset(network={"enableDNSHostnames": False}, successPolicy={"operator": "Any"})
    submitted["replicatedJobs"][0]["template"] = template(restartPolicy="Never")
    spec = stored(JOBSETS, submitted)["spec"]
    assert spec["network"]["enableDNSHostnames"] is False
    assert spec["successPolicy"] == {"operator": "Any"}
    assert spec["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def dependent(*, on: str) -> KubeObject:
    spec = jobset("first", "second")
    spec["replicatedJobs"][1]["dependsOn"] = [{"name": on, "status": "Complete"}]
    return spec


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(dependent(on="first"), [], id="a job depends on one before it"),
        pytest.param(dependent(on="second"), ["spec.replicatedJobs[1].dependsOn"], id="but not on itself"),
        pytest.param(
            jobset(successPolicy={"operator": "All", "targetReplicatedJobs": ["other"]}),
            ["spec.successPolicy.targetReplicatedJobs"],
            id="a success policy names jobs that there are",
        ),
        pytest.param(
            jobset(coordinator={"replicatedJob": "other"}),
            ["spec.coordinator.replicatedJob"],
            id="a coordinator, too",
        ),
        pytest.param(
            jobset(network={"subdomain": "Not_A_Label"}),
            ["spec.network.subdomain"],
            id="a subdomain is a label",
        ),
    ],
)
def test_jobset_is_validated(spec: KubeObject, expected: list[str]) -> None:
    assert fields(JOBSETS, spec) == expected


@pytest.mark.parametrize(
    ("length", "completions", "expected"),
    [
        pytest.param(48, 10, [], id="the longest name of a job of ten pods"),
        pytest.param(49, 10, ["spec.replicatedJobs[0].name"], id="one letter more and its pods have no valid names"),
        pytest.param(48, 11, ["spec.replicatedJobs[0].name"], id="nor have eleven pods"),
        pytest.param(57, 1, ["spec.replicatedJobs[0].name"], id="even its Job has no valid name"),
    ],
)
def test_generated_names_are_valid(length: int, completions: int, expected: list[str]) -> None:
    spec = jobset()
    spec["replicatedJobs"][0]["template"]["spec"]["completions"] = completions
    assert fields(JOBSETS, spec, name="a" * length) == expected


def with_labels(spec: KubeObject, **labels: str) -> KubeObject:
    changed = deepcopy(spec)
    changed["replicatedJobs"][0]["template"]["spec"]["template"]["metadata"] = {"labels": labels}
    return changed


@pytest.mark.parametrize(
    ("suspended", "change", "expected"),
    [
        pytest.param(False, {}, [], id="nothing has changed"),
        pytest.param(False, {"a": "b"}, ["spec.replicatedJobs"], id="its jobs are fixed while it runs"),
        pytest.param(True, {"a": "b"}, [], id="labels of pods may change while it is suspended"),
    ],
)
def test_replicated_jobs_of_a_jobset_are_immutable(
    suspended: bool, change: dict[str, str], expected: list[str]
) -> None:
    old = jobset(suspend=suspended)
    assert fields(JOBSETS, with_labels(old, **change) if change else old, old=old) == expected


def test_image_of_a_suspended_jobset_is_immutable() -> None:
    old, new = jobset(suspend=True), jobset(suspend=True)
    new["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert fields(JOBSETS, new, old=old) == ["spec.replicatedJobs"]


def test_service_gets_the_default_type() -> None:
    assert stored(SERVICES, {"clusterIP": "None"})["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize(
    ("resource", "obj"),
    [
        (PODS, {"metadata": {"name": "a"}, "spec": {"containers": "none"}}),
        (PODS, {"metadata": {"name": "a"}, "spec": [1]}),
        (PODS, {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "b", "resources": []}]}}),
        (PODS, {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "b", "resources": "x"}]}}),
        (JOBS, {"metadata": {"name": "a"}, "spec": {"template": "x"}}),
        (JOBS, {"metadata": {"name": "a"}, "spec": "x"}),
        (JOBSETS, {"metadata": {"name": "a"}, "spec": {"replicatedJobs": {}}}),
        (TRAINJOBS, {"metadata": {"name": "a"}, "spec": []}),
        (TRAINJOBS, {"metadata": {"name": "a"}, "spec": {"runtimeRef": {"name": "x"}, "runtimePatches": ["x"]}}),
    ],
)
def test_object_with_a_wrong_type_is_rejected_without_an_exception(resource: Resource, obj: KubeObject) -> None:
    decoded, report = decoding.decode(resource, obj)
    assert report.error or validation.validate(resource, defaults.apply_defaults(resource, decoded), None)


def test_removal_of_the_spec_is_rejected() -> None:
    old = stored(PODS, {"containers": [{"name": "a", "image": "b"}]})
    new = {name: value for name, value in old.items() if name != "spec"}
    assert validation.validate(PODS, defaults.apply_defaults(PODS, new, old), old)


@pytest.mark.parametrize(
    ("resource", "new", "old", "exempt"),
    [
        pytest.param(TRAININGRUNTIMES, "disabled", None, True, id="created with the label"),
        pytest.param(CLUSTERTRAININGRUNTIMES, "disabled", "disabled", True, id="updated with the label"),
        pytest.param(CLUSTERTRAININGRUNTIMES, "disabled", None, True, id="a runtime of the cluster"),
        pytest.param(TRAININGRUNTIMES, "disabled", "", False, id="updated to have the label"),
        pytest.param(TRAININGRUNTIMES, "", "disabled", False, id="updated to lack the label"),
        pytest.param(TRAININGRUNTIMES, "enabled", None, False, id="another value"),
        pytest.param(TRAINJOBS, "disabled", None, False, id="no runtime"),
    ],
)
def test_runtimes_with_the_label_are_exempt(resource: Resource, new: str, old: str | None, exempt: bool) -> None:
    def labelled(value: str) -> KubeObject:
        return {"metadata": {"labels": {webhooks.VALIDATION_LABEL: value} if value else None}}

    assert webhooks.is_exempt(resource, labelled(new), None if old is None else labelled(old)) is exempt
