"""What the webhooks of Trainer and JobSet complete and refuse, and a bare API server does not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from jupyter_trainjob.api import defaults, validation
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    PODS,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    Object,
    Resource,
)

EARLIER = "2026-01-01T00:00:00Z"


def stored(resource: Resource, spec: Object, *, name: str = "a", old: Object | None = None) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": "the-uid"}
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": deepcopy(spec)}
    return defaults.apply(resource, obj, old)


def fields(resource: Resource, spec: Object, *, name: str = "a", old: Object | None = None) -> list[str]:
    before = None if old is None else stored(resource, old, name=name)
    return [error.field for error in validation.validate(resource, stored(resource, spec, name=name), before)]


def template(**pod_spec: Any) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "x"}], **pod_spec}}}}


def trainjob(*patches: Object, **spec: Any) -> Object:
    return {"runtimeRef": {"name": "torch-distributed"}, "runtimePatches": list(patches), **spec}


def patch(manager: str = "acme.io/a", **more: Any) -> Object:
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
        pytest.param(
            {"runtimeRef": {"name": "x", "kind": "Runtime"}}, "spec.runtimeRef", id="a runtime is of a known kind"
        ),
        pytest.param(
            {"runtimeRef": {"name": "x", "apiGroup": "acme.io"}}, "spec.runtimeRef", id="a runtime is of a known group"
        ),
        pytest.param(trainjob(patch("me")), "spec.runtimePatches[0].manager", id="a manager has a domain"),
        pytest.param(trainjob(patch("acme.io/")), "spec.runtimePatches[0].manager", id="a manager has a path"),
        pytest.param(
            trainjob(patch(pod={"containers": [{"name": "node", "env": [{"name": "A"}]}]})),
            "spec.runtimePatches[0]",
            id="variables of the main container stand in the TrainJob",
        ),
    ],
)
def test_a_trainjob_is_refused(spec: Object, field: str) -> None:
    assert fields(TRAINJOBS, spec) == [field]


def test_a_trainjob_with_a_patch_for_another_container_is_accepted() -> None:
    assert fields(TRAINJOBS, trainjob(patch(pod={"containers": [{"name": "side", "env": [{"name": "A"}]}]}))) == []


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(False, False, True, id="not while it runs"),
        pytest.param(True, False, False, id="while it is resumed"),
        pytest.param(False, True, False, id="while it is being suspended"),
    ],
)
def test_patches_change_only_while_a_trainjob_is_suspended(before: bool, after: bool, refused: bool) -> None:
    old = trainjob(patch(label="b"), suspend=before)
    new = trainjob(patch(label="c"), suspend=after)
    assert fields(TRAINJOBS, new, old=old) == (["spec.runtimePatches"] if refused else [])


def test_the_time_of_a_patch_is_the_servers() -> None:
    def times(*patches: Object, old: Object | None = None) -> list[str]:
        return [each["time"] for each in stored(TRAINJOBS, trainjob(*patches), old=old)["spec"]["runtimePatches"]]

    assert times(patch()) > [EARLIER]
    assert times(patch(time=EARLIER)) == [EARLIER]
    old = stored(TRAINJOBS, trainjob(patch(time=EARLIER)))
    assert times(patch(), old=old) == [EARLIER]
    assert times(patch(time="2027-01-01T00:00:00Z"), old=old) == [EARLIER]
    changed, added = times(patch(label="c", time=EARLIER), patch("acme.io/new", time=EARLIER), old=old)
    assert (changed > EARLIER, added) == (True, EARLIER)


def runtime(*, replicas: int = 1, step: str = "trainer", container: str = "node") -> Object:
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
        pytest.param(runtime(step="else", container="main"), [], id="another step needs none"),
        pytest.param(
            runtime(replicas=2), ["spec.template.spec.replicatedJobs[0].replicas"], id="a step has one Job, not several"
        ),
    ],
)
def test_a_runtime_is_what_a_trainjob_can_use(spec: Object, expected: list[str]) -> None:
    assert fields(CLUSTERTRAININGRUNTIMES, spec) == expected
    assert fields(TRAININGRUNTIMES, spec) == expected


def test_an_update_is_checked_for_cluster_runtimes_only() -> None:
    assert fields(CLUSTERTRAININGRUNTIMES, runtime(container="main"), old=runtime()) == [CONTAINERS]
    assert fields(TRAININGRUNTIMES, runtime(container="main"), old=runtime()) == []


def jobset(*names: str, **spec: Any) -> Object:
    return {"replicatedJobs": [{"name": name, "template": template()} for name in names or ("node",)], **spec}


def test_a_jobset_gets_the_defaults_of_its_webhook() -> None:
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


def test_what_a_jobset_says_itself_stays() -> None:
    said = jobset(network={"enableDNSHostnames": False}, successPolicy={"operator": "Any"})
    said["replicatedJobs"][0]["template"] = template(restartPolicy="Never")
    spec = stored(JOBSETS, said)["spec"]
    assert spec["network"]["enableDNSHostnames"] is False
    assert spec["successPolicy"] == {"operator": "Any"}
    assert spec["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def dependent(*, on: str) -> Object:
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
def test_a_jobset_is_consistent(spec: Object, expected: list[str]) -> None:
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
def test_names_that_will_be_made_are_valid(length: int, completions: int, expected: list[str]) -> None:
    spec = jobset()
    spec["replicatedJobs"][0]["template"]["spec"]["completions"] = completions
    assert fields(JOBSETS, spec, name="a" * length) == expected


def with_labels(spec: Object, **labels: str) -> Object:
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
def test_the_jobs_of_a_jobset_are_fixed(suspended: bool, change: dict[str, str], expected: list[str]) -> None:
    old = jobset(suspend=suspended)
    assert fields(JOBSETS, with_labels(old, **change) if change else old, old=old) == expected


def test_a_jobsets_image_is_fixed_even_while_it_is_suspended() -> None:
    old, new = jobset(suspend=True), jobset(suspend=True)
    new["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert fields(JOBSETS, new, old=old) == ["spec.replicatedJobs"]


def test_a_service_gets_its_type() -> None:
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
def test_an_object_of_a_wrong_shape_is_refused_and_breaks_nothing(resource: Resource, obj: Object) -> None:
    assert validation.validate(resource, defaults.apply(resource, obj), None)


def test_an_object_cannot_lose_its_spec() -> None:
    old = stored(PODS, {"containers": [{"name": "a", "image": "b"}]})
    new = {name: value for name, value in old.items() if name != "spec"}
    assert validation.validate(PODS, defaults.apply(PODS, new, old), old)
