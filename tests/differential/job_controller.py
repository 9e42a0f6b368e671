"""What the Job controller and the garbage collector of Kubernetes do to Jobs, done by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, KubeObject
from jupyter_trainjob.kube.client import Client

MOMENT: Final = "2026-01-01T00:00:00Z"

Select = Callable[[KubeObject], bool]
"""Whether a Job is meant."""


def collect_deleted(client: Client) -> None:
    """End the deletion of Jobs that are deleted in the foreground."""
    for job in _jobs(client):
        if job["metadata"].get("deletionTimestamp") and job["metadata"].get("finalizers"):
            _patch(client, job, {"metadata": {"finalizers": None}})


def run_jobs(client: Client) -> None:
    """Let all pods of the Jobs that are not suspended be ready, and no pod of the suspended ones."""
    collect_deleted(client)
    for job in _jobs(client):
        status = job.get("status") or {}
        suspended = job["spec"].get("suspend", False)
        if is_finished(job) or suspended == (not status.get("ready")):
            continue
        pods = 0 if suspended else job["spec"]["parallelism"]
        started = status.get("startTime") if suspended else MOMENT
        condition = _condition("Suspended", "JobSuspended" if suspended else "JobResumed", value=suspended)
        had_condition = conditions.get_condition(job, "Suspended") is not None
        patch = {"startTime": started, "active": pods, "ready": pods}
        if suspended or had_condition:
            patch["conditions"] = [condition]
        _patch(client, job, {"status": patch}, "status")


def complete_jobs(client: Client, select: Select) -> None:
    """Let the running Jobs that are meant succeed."""
    for job in _jobs(client):
        if (job.get("status") or {}).get("ready") and not is_finished(job) and select(job):
            criteria = _condition("SuccessCriteriaMet", "CompletionsReached")
            _finish(client, job, [criteria, _condition("Complete", "CompletionsReached")], completionTime=MOMENT)


def fail_jobs(client: Client, select: Select, *, reason: str) -> None:
    """Let the running Jobs that are meant fail."""
    for job in _jobs(client):
        if (job.get("status") or {}).get("ready") and not is_finished(job) and select(job):
            _finish(client, job, [_condition("FailureTarget", reason), _condition("Failed", reason)])


def is_finished(job: KubeObject) -> bool:
    return any(conditions.is_true(job, kind) for kind in ("Complete", "Failed"))


def _finish(client: Client, job: KubeObject, added: list[KubeObject], **fields: str) -> None:
    has = job["status"].get("conditions") or []
    pods = job["spec"]["parallelism"]
    count = {"succeeded": pods} if "completionTime" in fields else {"failed": pods}
    if "completionTime" in fields and job["spec"].get("completionMode") == "Indexed":
        count["completedIndexes"] = "0" if pods == 1 else f"0-{pods - 1}"
    status = {"active": 0, "ready": 0, "conditions": [*has, *added], **count, **fields}
    _patch(client, job, {"status": status}, "status")


def _condition(kind: str, reason: str, *, value: bool = True) -> KubeObject:
    return {
        "type": kind,
        "status": str(value),
        "reason": reason,
        "message": "it failed",
        "lastProbeTime": MOMENT,
        "lastTransitionTime": MOMENT,
    }


def _jobs(client: Client) -> Iterator[KubeObject]:
    for job in client.list(JOBS).items:
        if job["metadata"]["namespace"].startswith("job-"):
            yield job


def _patch(client: Client, job: KubeObject, patch: KubeObject, subresource: str | None = None) -> None:
    """Patch a Job, unless its controller has changed or deleted it meanwhile."""
    metadata = job["metadata"]
    version = {"resourceVersion": metadata["resourceVersion"]}
    patch = {**patch, "metadata": {**patch.get("metadata", {}), **version}}
    try:
        client.patch(JOBS, metadata["name"], patch, namespace=metadata["namespace"], subresource=subresource)
    except (errors.NotFound, errors.Conflict):
        return
