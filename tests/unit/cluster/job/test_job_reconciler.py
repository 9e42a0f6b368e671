"""The Job controller with the API server in process; the tests set the phases of pods."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, PODS, KubeObject
from jupyter_trainjob.cluster import job
from jupyter_trainjob.cluster.job.job_decision import NewPod
from jupyter_trainjob.cluster.job.pod_template import build_pod
from jupyter_trainjob.cluster.scheduler import scheduler
from tests.unit.cluster.world import Start, World, indexed
from tests.waiting import wait_for


def job_with_template(**template_metadata: KubeObject) -> KubeObject:
    container = {"name": "node", "image": "none", "env": [{"name": "A", "value": "1"}]}
    template = {"metadata": template_metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": "train-node-0", "namespace": "default", "uid": "job-uid"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


def test_pod_of_an_indexed_job_has_its_index_in_labels_and_environment() -> None:
    manifest = job_with_template(labels={"mine": "kept"}, annotations={"also": "kept"})
    pod = build_pod(manifest, NewPod(3))
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
    assert manifest["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_pod_without_an_index_has_only_the_labels_of_its_job() -> None:
    pod = build_pod(job_with_template(), NewPod())
    assert set(pod["metadata"]["labels"]) == {"batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"}
    assert "hostname" not in pod["spec"]


def test_pod_name_is_a_valid_hostname() -> None:
    manifest = job_with_template()
    manifest["metadata"]["name"] = "x" * 63
    assert len(build_pod(manifest, NewPod(10))["metadata"]["name"]) == 63


def test_job_completes(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(3))
    pods = wait_for(lambda: result if len(result := world.pods()) == 3 else None)
    assert [pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] for pod in pods] == ["0", "1", "2"]
    wait_for(lambda: world.get(JOBS, "train")["status"].get("active") == 3)
    wait_for(lambda: len(world.events("SuccessfulCreate")) == 3)
    for pod in pods:
        world.end(pod, "Succeeded")
    done = wait_for(lambda: result if conditions.is_true(result := world.get(JOBS, "train"), "Complete") else None)
    assert (done["status"]["succeeded"], done["status"]["completedIndexes"]) == (3, "0-2")
    assert "active" not in done["status"]
    assert wait_for(lambda: world.events("Completed")) == ["Job completed"]


def test_job_without_retries_fails_with_its_first_pod(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(2))
    failed, other = wait_for(lambda: result if len(result := world.pods()) == 2 else None)
    world.end(failed, "Failed")
    done = wait_for(lambda: result if conditions.is_true(result := world.get(JOBS, "train"), "Failed") else None)
    condition = conditions.get_condition(done, "Failed")
    assert condition is not None
    assert condition["reason"] == "BackoffLimitExceeded"
    assert not world.exists(PODS, other["metadata"]["name"])
    assert world.exists(PODS, failed["metadata"]["name"]), "the user needs its log"
    assert wait_for(lambda: world.events("SuccessfulDelete")) == [f"Deleted pod: {other['metadata']['name']}"]


def test_job_is_suspended_and_resumed(world: World, start: Start) -> None:
    start(job.controller)
    world.job("train", **indexed(2))
    first = wait_for(lambda: result if len(result := world.pods()) == 2 else None)
    world.client.patch(JOBS, "train", {"spec": {"suspend": True}}, namespace="default")
    wait_for(lambda: not world.pods())
    wait_for(lambda: conditions.is_true(world.get(JOBS, "train"), "Suspended"))
    world.client.patch(JOBS, "train", {"spec": {"suspend": False}}, namespace="default")
    resumed = wait_for(lambda: result if len(result := world.pods()) == 2 else None)
    assert not {pod["metadata"]["uid"] for pod in first} & {pod["metadata"]["uid"] for pod in resumed}


def test_job_managed_by_another_controller_is_ignored(world: World, start: Start) -> None:
    world.job("theirs", managedBy="acme.io/manager")
    world.job("ours")
    start(job.controller)
    wait_for(lambda: world.get(JOBS, "ours")["status"].get("active"))
    assert len(world.pods()) == 1
    assert not world.get(JOBS, "theirs").get("status")


@pytest.mark.parametrize("jobs", [20])
def test_no_index_gets_two_pods_despite_stale_informers(world: World, start: Start, jobs: int) -> None:
    start(job.controller)
    for number in range(jobs):
        world.job(f"train-{number}", **indexed(4, parallelism=2, backoffLimit=100))

    def ended() -> bool:
        for pod in world.pods():
            if pod["status"]["phase"] == "Pending":
                world.end(pod, "Succeeded")
        return all(conditions.is_true(world.get(JOBS, f"train-{number}"), "Complete") for number in range(jobs))

    wait_for(ended)
    assert len(world.pods()) == jobs * 4


def test_pods_of_a_job_are_bound_to_a_node(world: World, start: Start) -> None:
    world.node()
    start(job.controller)
    start(scheduler.controller)
    world.job("train", **indexed(8))
    wait_for(lambda: sum(bool(pod["spec"].get("nodeName")) for pod in world.pods()) == 8)
