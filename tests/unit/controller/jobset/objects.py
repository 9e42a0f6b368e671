"""JobSets and Jobs as the tests of this folder need them."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset.fields import replicated_jobs
from jupyter_trainjob.controller.jobset.jobs import new_job

EARLIER = "2026-01-01T00:00:00Z"
NOW = 1767225660.0
NOW_TEXT = "2026-01-01T00:01:00Z"


def condition(kind: str, reason: str = "R", message: str = "M", value: str = "True", since: str = EARLIER) -> Object:
    return {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def replicated(name: str = "node", replicas: int = 1, pods: int = 1, **more: Any) -> Object:
    pod = {"spec": {"containers": [{"name": "node", "image": "i"}]}}
    template = {"spec": {"parallelism": pods, "completions": pods, "template": pod}}
    return {"name": name, "replicas": replicas, "template": template, **more}


def jobset(*jobs: Object, status: Object | None = None, **spec: Any) -> Object:
    made: Object = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "j", "namespace": "ns", "uid": "u", "resourceVersion": "1"},
        "spec": {"replicatedJobs": list(jobs or [replicated()]), **spec},
    }
    if status is not None:
        made["status"] = status
    return made


def child(of: Object, name: str = "node", index: int = 0, **status: Any) -> Object:
    """Return a Job of a JobSet; `failed` and `complete` make it end."""
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
