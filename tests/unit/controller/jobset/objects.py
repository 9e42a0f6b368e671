"""Builders of JobSets and Jobs for the tests of this folder."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset.job_template import new_job
from jupyter_trainjob.controller.jobset.jobset_fields import replicated_jobs

EARLIER = "2026-01-01T00:00:00Z"
NOW = 1767225660.0
NOW_TEXT = "2026-01-01T00:01:00Z"


def condition(
    kind: str, reason: str = "R", message: str = "M", value: str = "True", since: str = EARLIER
) -> KubeObject:
    return {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def replicated(name: str = "node", replicas: int = 1, pods: int = 1, **more: Any) -> KubeObject:
    pod = {"spec": {"containers": [{"name": "node", "image": "i"}]}}
    template = {"spec": {"parallelism": pods, "completions": pods, "template": pod}}
    return {"name": name, "replicas": replicas, "template": template, **more}


def jobset(*jobs: KubeObject, status: KubeObject | None = None, **spec: Any) -> KubeObject:
    result: KubeObject = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "j", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
        "spec": {"replicatedJobs": list(jobs or [replicated()]), **spec},
    }
    if status is not None:
        result["status"] = status
    return result


def child(of: KubeObject, name: str = "node", index: int = 0, **status: Any) -> KubeObject:
    """Return a Job of a JobSet; `failed` and `complete` give it a final condition."""
    wanted = next(job for job in replicated_jobs(of) if job["name"] == name)
    job = new_job(of, wanted, index)
    job["metadata"].update(uid=f"uid-{name}-{index}", resourceVersion="7")
    conditions = []
    if (failed := status.pop("failed", None)) is not None:
        conditions.append(condition("Failed", failed, "why", since=status.pop("since", EARLIER)))
    if status.pop("complete", False):
        conditions.append(condition("Complete"))
    job["status"] = {**status, "conditions": conditions}
    return job
