"""TrainJobs from creation to their end, with the embedded request core as the API server and without pods.

The tests play the Job controller: they patch the status of Jobs, and wait for the resulting changes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    CONFIGMAPS,
    EVENTS,
    JOBS,
    JOBSETS,
    PODGROUPS,
    SECRETS,
    SERVICES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.controller.manager import Manager, build_controllers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response, Transport
from tests.paths import ROOT
from tests.waiting import wait_for

NS = "default"
RUNTIMES = ROOT / "runtimes"


class Counting:
    """A transport that counts writes by method and path, and fails those that a test selects."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.writes: Counter[tuple[str, str]] = Counter()
        self.refuse: Callable[[Request], bool] = lambda request: False
        self.refused = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.method != "GET":
            if self.refuse(request):
                self.refused += 1
                raise errors.ClusterError("connection refused")
            self.writes[request.method, request.path.rpartition("/namespaces/")[2]] += 1
        return self._inner.send(request, timeout=timeout)


class Cluster:
    """An API server with the controllers of this package, and helpers to change its objects."""

    def __init__(self, core: ApiServer) -> None:
        self.client = Client(core)
        self.transport = Counting(core)
        self.manager = Manager(build_controllers(Client(self.transport)))

    def create(
        self, name: str = "j", *, trainer: KubeObject | None = None, runtime: Any = None, **spec: Any
    ) -> KubeObject:
        spec["runtimeRef"] = runtime or {"name": "torch-distributed"}
        if trainer is not None:
            spec["trainer"] = trainer
        return self.client.create(TRAINJOBS, {"metadata": {"name": name, "namespace": NS}, "spec": spec})

    def get(self, resource: Resource, name: str) -> KubeObject:
        return self.client.get(resource, name, namespace=NS)

    def find(self, resource: Resource, name: str) -> KubeObject | None:
        return self.client.find(resource, name, namespace=NS)

    def patch(self, resource: Resource, name: str, patch: KubeObject) -> None:
        subresource = "status" if "status" in patch else None
        self.client.patch(resource, name, patch, namespace=NS, subresource=subresource)

    def end(self, job: str, kind: str, **more: str) -> None:
        """Let a Job end as ``Complete`` or ``Failed``, as the Job controller writes that."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        end = {"status": "True", "lastTransitionTime": now, "lastProbeTime": now, "reason": "R", "message": "", **more}
        before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
        conditions = [{"type": condition_type, **end} for condition_type in (before, kind)]
        self.patch(JOBS, job, {"status": {"conditions": conditions, "active": 0, "ready": 0}})

    def events(self, about: str, kind: str = "TrainJob") -> list[tuple[str, str]]:
        events = self.client.list(EVENTS, namespace=NS).items
        wanted = (kind, about)
        return [
            (event["reason"], event["message"])
            for event in events
            if (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == wanted
        ]

    def conditions(self, name: str = "j", resource: Resource = TRAINJOBS) -> dict[str, tuple[str, str]]:
        conditions = self.get(resource, name).get("status", {}).get("conditions", [])
        return {condition["type"]: (condition["status"], condition["reason"]) for condition in conditions}


def eventually(condition: Callable[[], object]) -> Any:
    """Return the first truthy result of `condition`; a missing object or field counts as false."""
    return wait_for(condition, missing=(errors.NotFound, KeyError))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    store = Store(tmp_path / "store.sqlite")
    cluster = Cluster(ApiServer(store, version="0.0.0"))
    for file in sorted(RUNTIMES.glob("*.yaml")):
        cluster.client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load(file.read_text()))
    cluster.manager.start()
    yield cluster
    cluster.manager.stop()
    store.close()


def test_train_job_creates_jobset_and_jobs_and_gets_their_status(cluster: Cluster) -> None:
    created = cluster.create(trainer={"numNodes": 2, "command": ["torchrun", "/trainjob/job.pyz"]})
    job = eventually(lambda: cluster.get(JOBS, "j-node-0"))
    jobset = cluster.get(JOBSETS, "j")
    assert jobset["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    container = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["torchrun", "/trainjob/job.pyz"]
    assert [variable["name"] for variable in container["env"] if variable["name"].startswith("PET_")] == [
        "PET_NNODES",
        "PET_NPROC_PER_NODE",
        "PET_NODE_RANK",
        "PET_MASTER_ADDR",
        "PET_MASTER_PORT",
    ]
    service = cluster.get(SERVICES, "j")
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert service["spec"]["selector"] == {"jobset.sigs.k8s.io/jobset-name": "j"}
    assert (job["spec"]["completions"], job["spec"]["completionMode"]) == (2, "Indexed")
    pods = job["spec"]["template"]
    assert pods["spec"]["subdomain"] == "j"
    assert pods["metadata"]["labels"]["jobset.sigs.k8s.io/jobset-uid"] == jobset["metadata"]["uid"]
    snapshot = cluster.get(CONFIGMAPS, "j-runtime-snapshot")["data"]["runtime"]
    assert "kind: ClusterTrainingRuntime" in snapshot
    assert "name: torch-distributed" in snapshot

    cluster.patch(JOBS, "j-node-0", {"status": {"active": 2, "ready": 0}})
    assert eventually(lambda: cluster.get(JOBSETS, "j")["status"]["replicatedJobsStatus"][0]["active"] == 1)
    cluster.patch(JOBS, "j-node-0", {"status": {"active": 2, "ready": 2}})
    counts = {"name": "node", "ready": 1, "active": 1, "succeeded": 0, "failed": 0, "suspended": 0}
    assert eventually(lambda: cluster.get(TRAINJOBS, "j").get("status", {}).get("jobsStatus") == [counts])
    cluster.end("j-node-0", "Complete")
    assert eventually(lambda: cluster.conditions() == {"Complete": ("True", "AllJobsCompleted")})
    assert cluster.transport.writes["POST", f"{NS}/configmaps"] == 1
    assert cluster.transport.writes["POST", f"{NS}/jobsets"] == 1
    assert cluster.transport.writes["PATCH", f"{NS}/trainjobs/j/status"] <= 2
    assert cluster.transport.writes["PATCH", f"{NS}/trainjobs/j"] == 0
    assert eventually(lambda: cluster.events("j", "JobSet")) == [("AllJobsCompleted", "jobset completed successfully")]
    assert cluster.events("j") == []


def test_failed_job_is_not_built_again_after_its_jobset_is_deleted(cluster: Cluster) -> None:
    cluster.create()
    eventually(lambda: cluster.get(JOBS, "j-node-0"))
    cluster.end("j-node-0", "Failed", reason="BackoffLimitExceeded")
    assert eventually(lambda: cluster.conditions() == {"Failed": ("True", "FailedJobs")})
    [condition] = cluster.get(TRAINJOBS, "j")["status"]["conditions"]
    assert condition["message"] == "jobset failed due to one or more job failures (first failed job: j-node-0)"
    cluster.client.delete(JOBSETS, "j", namespace=NS)
    cluster.patch(TRAINJOBS, "j", {"metadata": {"labels": {"touched": "yes"}}})
    cluster.create("marker")
    assert eventually(lambda: cluster.get(JOBSETS, "marker"))
    assert cluster.find(JOBSETS, "j") is None
    assert cluster.conditions() == {"Failed": ("True", "FailedJobs")}


def test_suspended_job_accepts_patches_and_continues_when_resumed(cluster: Cluster) -> None:
    cluster.create(suspend=True)
    job = eventually(lambda: cluster.get(JOBS, "j-node-0"))
    assert job["spec"]["suspend"] is True
    assert eventually(lambda: cluster.conditions() == {"Suspended": ("True", "Suspended")})
    assert eventually(lambda: cluster.conditions(resource=JOBSETS) == {"Suspended": ("True", "SuspendedJobs")})
    pod = {"spec": {"nodeSelector": {"zone": "z"}}}
    jobs = [{"name": "node", "template": {"spec": {"template": pod}}}]
    patch = {"manager": "example.com/queue", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}
    cluster.patch(TRAINJOBS, "j", {"spec": {"runtimePatches": [patch], "suspend": False}})
    assert eventually(lambda: cluster.get(JOBS, "j-node-0")["spec"]["suspend"] is False)
    assert cluster.get(JOBS, "j-node-0")["spec"]["template"]["spec"]["nodeSelector"] == {"zone": "z"}
    assert eventually(lambda: cluster.conditions() == {"Suspended": ("False", "Resumed")})
    cluster.patch(TRAINJOBS, "j", {"spec": {"suspend": True}})
    assert eventually(lambda: cluster.get(JOBS, "j-node-0")["spec"]["suspend"] is True)


def test_job_with_restarts_left_is_recreated_with_the_next_attempt(cluster: Cluster) -> None:
    runtime = yaml.safe_load((RUNTIMES / "torch-distributed.yaml").read_text())
    runtime.update(kind="TrainingRuntime", metadata={"name": "retry", "namespace": NS})
    runtime["spec"]["template"]["spec"]["failurePolicy"] = {"maxRestarts": 1}
    cluster.client.create(TRAININGRUNTIMES, runtime)
    cluster.create(runtime={"name": "retry", "kind": "TrainingRuntime"})
    first = eventually(lambda: cluster.get(JOBS, "j-node-0"))
    cluster.end("j-node-0", "Failed")
    deleted = eventually(lambda: cluster.get(JOBS, "j-node-0")["metadata"].get("deletionTimestamp"))
    if deleted:
        cluster.patch(JOBS, "j-node-0", {"metadata": {"finalizers": None}})

    def second() -> KubeObject | None:
        job = cluster.get(JOBS, "j-node-0")
        return job if job["metadata"]["uid"] != first["metadata"]["uid"] else None

    attempt = eventually(second)
    assert attempt["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] == "1"
    assert cluster.get(JOBSETS, "j")["status"]["restarts"] == 1
    assert cluster.conditions() == {}
    cluster.end("j-node-0", "Failed")
    assert eventually(lambda: cluster.conditions() == {"Failed": ("True", "ReachedMaxRestarts")})


def test_deadline_fails_the_job_and_deletion_of_its_jobset_is_retried(cluster: Cluster) -> None:
    failures = iter([True, True])
    cluster.transport.refuse = lambda request: request.method == "DELETE" and next(failures, False)
    cluster.create(activeDeadlineSeconds=1)
    eventually(lambda: cluster.get(JOBSETS, "j"))
    assert eventually(lambda: cluster.conditions() == {"Failed": ("True", "DeadlineExceeded")})
    assert eventually(lambda: cluster.find(JOBSETS, "j") is None)
    assert cluster.transport.refused == 2


def test_unsupported_runtime_causes_a_condition_and_one_event(cluster: Cluster) -> None:
    runtime = yaml.safe_load((RUNTIMES / "torch-distributed.yaml").read_text())
    runtime.update(metadata={"name": "mpi"})
    runtime["spec"]["mlPolicy"] = {"numNodes": 1, "mpi": {"mpiImplementation": ""}}
    cluster.client.create(CLUSTERTRAININGRUNTIMES, runtime)
    cluster.create(runtime={"name": "mpi"})
    assert eventually(lambda: cluster.conditions() == {"Failed": ("True", "TrainingRuntimeNotSupported")})
    before = cluster.get(TRAINJOBS, "j")
    cluster.patch(TRAINJOBS, "j", {"metadata": {"labels": {"touched": "yes"}}})
    cluster.create("marker")
    assert eventually(lambda: cluster.get(JOBSETS, "marker"))
    assert cluster.get(TRAINJOBS, "j")["status"] == before["status"]
    [(reason, message)] = cluster.events("j")
    assert reason == "TrainJobResourcesCreationFailed"
    assert "mlPolicy.mpi.mpiImplementation" in message


def test_missing_runtime_causes_an_event_and_the_job_is_built_when_it_exists(cluster: Cluster) -> None:
    cluster.create(runtime={"name": "later"})
    [(reason, message)] = eventually(lambda: cluster.events("j"))
    assert reason == "TrainJobResourcesCreationFailed"
    assert "there is no ClusterTrainingRuntime 'later'" in message
    runtime = yaml.safe_load((RUNTIMES / "plain.yaml").read_text())
    cluster.client.create(CLUSTERTRAININGRUNTIMES, {**runtime, "metadata": {"name": "later"}})
    assert eventually(lambda: cluster.get(JOBSETS, "j"))
    assert len(cluster.events("j")) == 1


def test_snapshot_keeps_the_original_runtime(cluster: Cluster) -> None:
    cluster.create(suspend=True, runtime={"name": "plain"})
    eventually(lambda: cluster.get(JOBSETS, "j"))
    cluster.client.delete(CLUSTERTRAININGRUNTIMES, "plain")
    cluster.patch(TRAINJOBS, "j", {"spec": {"suspend": False}})
    assert eventually(lambda: cluster.get(JOBSETS, "j")["spec"]["suspend"] is False)
    assert cluster.events("j") == []


def test_foreign_snapshot_is_rejected(cluster: Cluster) -> None:
    snapshot = {"metadata": {"name": "j-runtime-snapshot", "namespace": NS}, "data": {"runtime": "kind: X"}}
    cluster.client.create(CONFIGMAPS, snapshot)
    cluster.create()
    [(_, message)] = eventually(lambda: cluster.events("j"))
    assert "ConfigMap 'j-runtime-snapshot' cannot be used: it belongs to another object. Delete" in message
    cluster.client.delete(CONFIGMAPS, "j-runtime-snapshot", namespace=NS)
    assert eventually(lambda: cluster.get(JOBSETS, "j"))


def test_foreign_jobset_is_not_changed_and_is_reported(cluster: Cluster) -> None:
    job = {"name": "node", "template": {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}}
    spec = {"replicatedJobs": [job]}
    cluster.client.create(JOBSETS, {"metadata": {"name": "j", "namespace": NS}, "spec": spec})
    cluster.create()
    messages = eventually(lambda: [message for _, message in cluster.events("j") if "does not belong" in message])
    assert len(messages) == 1
    assert "ownerReferences" not in cluster.get(JOBSETS, "j")["metadata"]


def test_jobs_of_other_controllers_are_left_alone(cluster: Cluster) -> None:
    cluster.create("theirs", managedBy="kueue.x-k8s.io/multikueue")
    cluster.create("ours")
    assert eventually(lambda: cluster.get(JOBSETS, "ours"))
    assert cluster.find(JOBSETS, "theirs") is None


def test_jobset_is_deleted_after_its_time_to_live_and_the_job_stays_complete(cluster: Cluster) -> None:
    runtime = yaml.safe_load((RUNTIMES / "plain.yaml").read_text())
    runtime["metadata"] = {"name": "short"}
    runtime["spec"]["template"]["spec"]["ttlSecondsAfterFinished"] = 0
    cluster.client.create(CLUSTERTRAININGRUNTIMES, runtime)
    cluster.create(runtime={"name": "short"})
    eventually(lambda: cluster.get(JOBS, "j-node-0"))
    cluster.end("j-node-0", "Complete")
    deleted_at = eventually(lambda: cluster.get(JOBSETS, "j")["metadata"].get("deletionTimestamp"))
    assert deleted_at
    assert eventually(lambda: "Complete" in cluster.conditions())


def gang(**coscheduling: Any) -> KubeObject:
    """Return a TrainingRuntime with coscheduling."""
    containers = [{"name": "node", "image": "i", "resources": {"requests": {"cpu": "2"}}}]
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    template = {"metadata": {"labels": labels}, "spec": {"template": {"spec": {"containers": containers}}}}
    spec = {"replicatedJobs": [{"name": "node", "template": template}]}
    policies = {"mlPolicy": {"numNodes": 1, "torch": {}}, "podGroupPolicy": {"coscheduling": coscheduling}}
    return {"metadata": {"name": "gang", "namespace": NS}, "spec": {**policies, "template": {"spec": spec}}}


GANG = {"name": "gang", "kind": "TrainingRuntime"}


def test_pod_group_of_a_runtime_changes_only_while_the_job_is_suspended(
    cluster: Cluster,
) -> None:
    cluster.client.create(TRAININGRUNTIMES, gang())
    cluster.create(trainer={"numNodes": 3}, runtime=GANG, suspend=True)
    eventually(lambda: cluster.get(JOBSETS, "j"))
    wanted = {"minMember": 3, "minResources": {"cpu": "6"}, "scheduleTimeoutSeconds": 60}
    assert cluster.get(PODGROUPS, "j")["spec"] == wanted
    cluster.patch(PODGROUPS, "j", {"spec": {"minMember": 1}})
    cluster.patch(TRAINJOBS, "j", {"metadata": {"labels": {"touched": "yes"}}})
    assert eventually(lambda: cluster.get(PODGROUPS, "j")["spec"] == wanted)
    cluster.patch(TRAINJOBS, "j", {"spec": {"suspend": False}})
    job = eventually(lambda: cluster.get(JOBS, "j-node-0"))
    assert job["spec"]["template"]["metadata"]["labels"]["scheduling.x-k8s.io/pod-group"] == "j"


def test_foreign_pod_group_is_not_changed_and_is_reported(cluster: Cluster) -> None:
    cluster.client.create(TRAININGRUNTIMES, gang())
    cluster.client.create(PODGROUPS, {"metadata": {"name": "j", "namespace": NS}, "spec": {"minMember": 9}})
    cluster.create(runtime=GANG)
    assert eventually(lambda: any("PodGroup 'j' that does not belong" in text for _, text in cluster.events("j")))
    assert cluster.find(JOBSETS, "j") is None
    assert cluster.get(PODGROUPS, "j")["spec"] == {"minMember": 9}


def ssh_runtime() -> KubeObject:
    """Return a TrainingRuntime for MPI whose launcher is not a node."""
    containers = [{"name": "node", "image": "i"}]
    jobs = [
        {"name": name, "template": {"spec": {"template": {"spec": {"containers": containers}}}}} for name in MPI_JOBS
    ]
    policies = {"mlPolicy": {"numNodes": 1, "mpi": {}}}
    return {
        "metadata": {"name": "mpi", "namespace": NS},
        "spec": {**policies, "template": {"spec": {"replicatedJobs": jobs}}},
    }


MPI_JOBS = ("node", "launcher")
MPI = {"name": "mpi", "kind": "TrainingRuntime"}


def test_mpi_job_keeps_its_keys_and_gets_a_changed_hostfile_back(cluster: Cluster) -> None:
    cluster.client.create(TRAININGRUNTIMES, ssh_runtime())
    cluster.create(trainer={"numNodes": 2}, runtime=MPI, suspend=True)
    eventually(lambda: cluster.get(JOBSETS, "j"))
    keys, hosts = cluster.get(SECRETS, "j-mpi-ssh-auth"), cluster.get(CONFIGMAPS, "j-mpi-hostfile")
    assert (keys["type"], keys["immutable"]) == ("kubernetes.io/ssh-auth", True)
    assert hosts["data"] == {"hostfile": "j-node-0-0.j slots=1\nj-node-0-1.j slots=1\n"}
    cluster.patch(CONFIGMAPS, "j-mpi-hostfile", {"data": {"hostfile": "elsewhere", "more": "x"}})
    cluster.patch(TRAINJOBS, "j", {"metadata": {"labels": {"touched": "yes"}}})
    assert eventually(lambda: cluster.get(CONFIGMAPS, "j-mpi-hostfile")["data"] == hosts["data"])
    assert cluster.get(SECRETS, "j-mpi-ssh-auth")["metadata"]["resourceVersion"] == keys["metadata"]["resourceVersion"]


def test_mpi_job_uses_the_keys_that_a_user_made(cluster: Cluster) -> None:
    cluster.client.create(TRAININGRUNTIMES, ssh_runtime())
    own = {"metadata": {"name": "j-mpi-ssh-auth", "namespace": NS}, "data": {"ssh-privatekey": "QQ=="}}
    cluster.client.create(SECRETS, own)
    cluster.create(runtime=MPI)
    assert eventually(lambda: cluster.get(JOBSETS, "j"))
    assert cluster.get(SECRETS, "j-mpi-ssh-auth")["data"] == own["data"]


def test_foreign_config_map_is_not_changed_and_is_reported(cluster: Cluster) -> None:
    cluster.client.create(TRAININGRUNTIMES, ssh_runtime())
    cluster.client.create(CONFIGMAPS, {"metadata": {"name": "j-mpi-hostfile", "namespace": NS}, "data": {"mine": "x"}})
    cluster.create(runtime=MPI)
    assert eventually(
        lambda: any("ConfigMap 'j-mpi-hostfile' that does not" in text for _, text in cluster.events("j"))
    )
    assert cluster.find(JOBSETS, "j") is None
    assert cluster.get(CONFIGMAPS, "j-mpi-hostfile")["data"] == {"mine": "x"}


def test_pod_group_of_a_scheduler_that_is_missing_is_reported(cluster: Cluster) -> None:
    runtime = gang()
    runtime["spec"]["podGroupPolicy"] = {"volcano": {}}
    cluster.client.create(TRAININGRUNTIMES, runtime)
    cluster.create(runtime=GANG)
    [(reason, message)] = eventually(lambda: cluster.events("j"))
    assert reason == "TrainJobResourcesCreationFailed"
    assert "does not know PodGroups of scheduling.volcano.sh. Have Volcano installed" in message
