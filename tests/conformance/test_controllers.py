"""The controllers of TrainJob and JobSet on every server, and the status that they derive.

No server here has a Job controller. The tests write what it would write into the status of Jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import JOBS, JOBSETS, SERVICES, TRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.controller.manager import Manager, build_controllers
from tests.waiting import wait_for

from .server import Server

RUNTIME: KubeObject = {
    "metadata": {"name": "torch", "labels": {"trainer.kubeflow.org/framework": "torch"}},
    "spec": {
        "mlPolicy": {"numNodes": 1, "torch": {}},
        "template": {
            "spec": {
                "failurePolicy": {"maxRestarts": 1},
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {
                            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                            "spec": {
                                "backoffLimit": 0,
                                "template": {
                                    "spec": {
                                        "restartPolicy": "Never",
                                        "containers": [{"name": "node", "image": "pytorch"}],
                                    }
                                },
                            },
                        },
                    }
                ],
            }
        },
    },
}


@pytest.fixture
def managed(server: Server) -> Iterator[Server]:
    """Return each server in turn, with the controllers of this package and a runtime."""
    server.client.create(TRAININGRUNTIMES, RUNTIME, namespace=server.namespace)
    manager = Manager(build_controllers(server.client, namespace=server.namespace))
    manager.start()
    yield server
    manager.stop()


def create(server: Server, **spec: Any) -> None:
    spec.setdefault("trainer", {"numNodes": 2, "command": ["torchrun", "/trainjob/job.pyz"]})
    reference = {"name": "torch", "kind": "TrainingRuntime"}
    job = {"metadata": {"name": "j"}, "spec": {"runtimeRef": reference, **spec}}
    server.client.create(TRAINJOBS, job, namespace=server.namespace)


def eventually(condition: Callable[[], object]) -> Any:
    """Return the first truthy result of `condition`; a missing object or field counts as false."""
    return wait_for(condition, missing=(errors.NotFound, KeyError))


def end(server: Server, kind: str) -> None:
    """Finish the Job as the Job controller does."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    reason = {"Complete": "CompletionsReached", "Failed": "BackoffLimitExceeded"}[kind]
    before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
    condition = {"status": "True", "lastTransitionTime": now, "lastProbeTime": now, "reason": reason, "message": ""}
    counts: KubeObject = {"active": 0, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    if kind == "Complete":
        counts.update(succeeded=2, completedIndexes="0,1", completionTime=now)
    else:
        counts.update(failed=1)
    status = {**counts, "startTime": now, "conditions": [{"type": name, **condition} for name in (before, kind)]}
    server.client.patch(JOBS, "j-node-0", {"status": status}, namespace=server.namespace, subresource="status")


def conditions(server: Server) -> dict[str, tuple[str, str]]:
    entries = server.client.get(TRAINJOBS, "j", namespace=server.namespace).get("status", {}).get("conditions", [])
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in entries}


def job(server: Server) -> KubeObject:
    return server.client.get(JOBS, "j-node-0", namespace=server.namespace)


def test_trainjob_creates_jobset_service_and_job_and_completes(managed: Server) -> None:
    create(managed)
    created = eventually(lambda: job(managed))
    assert created["spec"]["completionMode"] == "Indexed"
    assert created["spec"]["completions"] == 2
    assert created["spec"]["template"]["spec"]["subdomain"] == "j"
    assert created["metadata"]["labels"]["jobset.sigs.k8s.io/job-global-index"] == "0"
    service = managed.client.get(SERVICES, "j", namespace=managed.namespace)
    assert service["spec"]["clusterIP"] == "None"
    end(managed, "Complete")
    assert eventually(lambda: conditions(managed) == {"Complete": ("True", "AllJobsCompleted")})
    jobset = managed.client.get(JOBSETS, "j", namespace=managed.namespace)
    assert jobset["status"]["terminalState"] == "Completed"


def test_suspend_and_resume_reach_the_job(managed: Server) -> None:
    create(managed, suspend=True)
    assert eventually(lambda: job(managed)["spec"]["suspend"])
    assert eventually(lambda: conditions(managed) == {"Suspended": ("True", "Suspended")})
    pods = {"metadata": {"labels": {"queue": "q"}}, "spec": {"nodeSelector": {"zone": "z"}}}
    spec = {"replicatedJobs": [{"name": "node", "template": {"spec": {"template": pods}}}]}
    patch = {"manager": "example.com/queue", "trainingRuntimeSpec": {"template": {"spec": spec}}}
    change = {"spec": {"suspend": False, "runtimePatches": [patch]}}
    managed.client.patch(TRAINJOBS, "j", change, namespace=managed.namespace)
    assert eventually(lambda: job(managed)["spec"]["suspend"] is False)
    template = job(managed)["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"zone": "z"}
    assert template["metadata"]["labels"]["queue"] == "q"
    assert eventually(lambda: conditions(managed) == {"Suspended": ("False", "Resumed")})


def test_failed_job_is_recreated_up_to_the_maximum_of_restarts(managed: Server) -> None:
    create(managed)
    first = eventually(lambda: job(managed))
    end(managed, "Failed")
    assert eventually(lambda: job(managed)["metadata"].get("deletionTimestamp"))
    # What the garbage collector does once the pods are gone.
    managed.client.patch(JOBS, "j-node-0", {"metadata": {"finalizers": None}}, namespace=managed.namespace)
    assert eventually(lambda: job(managed)["metadata"]["uid"] != first["metadata"]["uid"])
    assert job(managed)["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] == "1"
    end(managed, "Failed")
    assert eventually(lambda: conditions(managed) == {"Failed": ("True", "ReachedMaxRestarts")})
