"""Classify the Jobs of a JobSet: active, successful, failed, or left over from an earlier attempt.

From the counts comes ``status.replicatedJobsStatus``, on which startup order and dependencies are decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT
from jupyter_trainjob.controller.jobset import jobset_fields

COUNTS = ("ready", "succeeded", "failed", "active", "suspended")


@dataclass
class ChildJobs:
    """The Jobs of a JobSet by category."""

    active: list[KubeObject] = field(default_factory=list)
    successful: list[KubeObject] = field(default_factory=list)
    failed: list[KubeObject] = field(default_factory=list)
    previous: list[KubeObject] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Return the names of all Jobs."""
        everything = (*self.active, *self.successful, *self.failed, *self.previous)
        return {job["metadata"]["name"] for job in everything}


def categorize(jobset: KubeObject, jobs: Iterable[KubeObject]) -> ChildJobs:
    """Categorize the Jobs of a JobSet; a Job of an earlier restart attempt is in `previous`."""
    children = ChildJobs()
    for job in jobs:
        if _attempt(job) < jobset_fields.restarts(jobset):
            children.previous.append(job)
        elif conditions.is_true(job, "Failed"):
            children.failed.append(job)
        elif conditions.is_true(job, "Complete"):
            children.successful.append(job)
        else:
            children.active.append(job)
    return children


def count_jobs(jobset: KubeObject, children: ChildJobs) -> dict[str, dict[str, int]]:
    """Return how many Jobs of each replicated job are ready, succeeded, failed, active and suspended."""
    counts = {job["name"]: dict.fromkeys(COUNTS, 0) for job in jobset_fields.replicated_jobs(jobset)}

    def count(job: KubeObject, state: str) -> None:
        name = jobset_fields.replicated_job_of(job)
        if name in counts:
            counts[name][state] += 1

    for job in children.active:
        status = job.get("status") or {}
        if status.get("succeeded", 0) + status.get("ready", 0) >= _pods(job):
            count(job, "ready")
        if status.get("active", 0) > 0:
            count(job, "active")
        if jobset_fields.is_suspended(job):
            count(job, "suspended")
    for job in children.successful:
        count(job, "succeeded")
    for job in children.failed:
        count(job, "failed")
    return counts


def replicated_jobs_status(counts: dict[str, dict[str, int]]) -> list[KubeObject]:
    """Return the counts as in the status: sorted by name in reverse order, as JobSet writes them."""
    return [{"name": name, **counts[name]} for name in sorted(counts, reverse=True)]


def are_all_ready(jobset: KubeObject, counts: dict[str, dict[str, int]]) -> bool:
    """Return whether every Job is ready or has succeeded."""
    ready = sum(count["ready"] + count["succeeded"] for count in counts.values())
    return ready == jobset_fields.total_replicas(jobset_fields.replicated_jobs(jobset))


def has_started(replicated_job: KubeObject, count: dict[str, int]) -> bool:
    """Return whether every Job of a replicated job is, or was, ready."""
    return count["ready"] + count["succeeded"] + count["failed"] == jobset_fields.replicas(replicated_job)


def _attempt(job: KubeObject) -> int:
    label = (job["metadata"].get("labels") or {}).get(JOBSET_RESTART_ATTEMPT, "")
    return int(label) if label.isdigit() else 0


def _pods(job: KubeObject) -> int:
    parallelism = int(job["spec"].get("parallelism", 1))
    return min(parallelism, int(job["spec"].get("completions") or parallelism))
