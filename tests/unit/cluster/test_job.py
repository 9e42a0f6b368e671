"""The Job controller on a real API server core; the tests end the pods."""

from __future__ import annotations

import time

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, PODS, Object
from jupyter_trainjob.cluster import job, scheduler
from jupyter_trainjob.cluster.job.decision import NewPod
from jupyter_trainjob.cluster.job.pods import pod_for

from .world import Start, World, indexed, until


def job_with_template(**template_metadata: Object) -> Object:
    container = {"name": "node", "image": "none", "env": [{"name": "A", "value": "1"}]}
    template = {"metadata": template_metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": "train-node-0", "namespace": "default", "uid": "job-uid"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def test_a_pod_of_an_indexed_job_carries_its_index() -> None:
    whole = job_with_template(labels={"mine": "kept"}, annotations={"also": "kept"})
    pod = pod_for(whole, NewPod(3))
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]
    assert metadata["name"].startswith("train-node-0-3-")
    assert len(metadata["name"]) == len("train-node-0-3-") + 5
    assert metadata["labels"] == {
        "mine": "kept",
        "batch.kubernetes.io/job-name": "train-node-0",
        "batch.kubernetes.io/controller-uid": "job-uid",
        "batch.kubernetes.io/job-completion-index": "3",
    }
    assert metadata["annotations"] == {"also": "kept", "batch.kubernetes.io/job-completion-index": "3"}
    assert metadata["ownerReferences"][0] | {"controller": True, "kind": "Job"} == metadata["ownerReferences"][0]
    assert "finalizers" not in metadata
    assert pod["spec"]["hostname"] == "train-node-0-3"
    source = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]
    assert whole["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_a_pod_without_an_index_has_only_the_jobs_labels() -> None:
    pod = pod_for(job_with_template(), NewPod())
    assert set(pod["metadata"]["labels"]) == {"batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"}
    assert "hostname" not in pod["spec"]


def test_the_name_of_a_pod_is_a_valid_hostname() -> None:
    whole = job_with_template()
    whole["metadata"]["name"] = "x" * 63
    assert len(pod_for(whole, NewPod(10))["metadata"]["name"]) == 63


def test_a_job_runs_to_its_end(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(3))
    pods = until(lambda: found if len(found := world.pods()) == 3 else None)
    assert [pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] for pod in pods] == ["0", "1", "2"]
    until(lambda: world.get(JOBS, "train")["status"].get("active") == 3)
    until(lambda: len(world.events("SuccessfulCreate")) == 3)
    for pod in pods:
        world.end(pod, "Succeeded")
    done = until(lambda: found if conditions.is_true(found := world.get(JOBS, "train"), "Complete") else None)
    assert (done["status"]["succeeded"], done["status"]["completedIndexes"]) == (3, "0-2")
    assert "active" not in done["status"]
    assert until(lambda: world.events("Completed")) == ["Job completed"]


def test_a_failure_ends_a_job_that_allows_none(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(2))
    failed, other = until(lambda: found if len(found := world.pods()) == 2 else None)
    world.end(failed, "Failed")
    done = until(lambda: found if conditions.is_true(found := world.get(JOBS, "train"), "Failed") else None)
    condition = conditions.get(done, "Failed")
    assert condition is not None
    assert condition["reason"] == "BackoffLimitExceeded"
    assert not world.exists(PODS, other["metadata"]["name"])
    assert world.exists(PODS, failed["metadata"]["name"]), "its log is what the user wants to see"
    assert until(lambda: world.events("SuccessfulDelete")) == [f"Deleted pod: {other['metadata']['name']}"]


def test_a_job_is_suspended_and_resumed(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(2))
    first = until(lambda: found if len(found := world.pods()) == 2 else None)
    world.client.patch(JOBS, "train", {"spec": {"suspend": True}}, namespace="default")
    until(lambda: not world.pods())
    until(lambda: conditions.is_true(world.get(JOBS, "train"), "Suspended"))
    world.client.patch(JOBS, "train", {"spec": {"suspend": False}}, namespace="default")
    again = until(lambda: found if len(found := world.pods()) == 2 else None)
    assert not {pod["metadata"]["uid"] for pod in first} & {pod["metadata"]["uid"] for pod in again}


def test_a_job_of_another_manager_is_left_alone(world: World, start: Start) -> None:
    world.job("theirs", managedBy="acme.io/manager")
    world.job("ours")
    start(job.controller)
    until(lambda: world.get(JOBS, "ours")["status"].get("active"))
    assert len(world.pods()) == 1
    assert not world.get(JOBS, "theirs").get("status")


@pytest.mark.parametrize("jobs", [20])
def test_no_index_gets_two_pods_whatever_the_informers_know(world: World, start: Start, jobs: int) -> None:
    start(job.controller)
    for number in range(jobs):
        world.job(f"train-{number}", **indexed(4, parallelism=2, backoffLimit=100))

    def ended() -> bool:
        for pod in world.pods():
            if pod["status"]["phase"] == "Pending":
                world.end(pod, "Succeeded")
        return all(conditions.is_true(world.get(JOBS, f"train-{number}"), "Complete") for number in range(jobs))

    until(ended)
    assert len(world.pods()) == jobs * 4


def test_eight_pods_are_bound_soon_after_their_job_is_made(world: World, start: Start) -> None:
    world.node()
    start(job.controller)
    start(scheduler.controller)
    world.job("warm-up")
    until(lambda: all(pod["spec"].get("nodeName") for pod in world.pods()) and world.pods())
    began = time.monotonic()
    world.job("train", **indexed(8))
    until(lambda: sum(bool(pod["spec"].get("nodeName")) for pod in world.pods()) == 9)
    # It takes 20 ms on an idle computer; this catches waiting, not slowness.
    assert time.monotonic() - began < 1.0
