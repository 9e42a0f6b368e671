"""What each Job of a JobSet counts as: active, successful, failed, or left over from an earlier attempt.

From the counts comes ``status.replicatedJobsStatus``, on which startup order and dependencies are decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT
from jupyter_trainjob.controller.jobset import fields

COUNTS = ("ready", "succeeded", "failed", "active", "suspended")


@dataclass
class Children:
    """The Jobs of a JobSet by what they count as."""

    active: list[Object] = field(default_factory=list)
    successful: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)
    previous: list[Object] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """Return the names that are taken."""
        everything = (*self.active, *self.successful, *self.failed, *self.previous)
        return {job["metadata"]["name"] for job in everything}


def categorize(jobset: Object, jobs: Iterable[Object]) -> Children:
    """Sort the Jobs of a JobSet; a Job whose restart attempt lies before the JobSet's counts as previous."""
    children = Children()
    for job in jobs:
        if _attempt(job) < fields.restarts(jobset):
            children.previous.append(job)
        elif conditions.is_true(job, "Failed"):
            children.failed.append(job)
        elif conditions.is_true(job, "Complete"):
            children.successful.append(job)
        else:
            children.active.append(job)
    return children


def counts(jobset: Object, children: Children) -> dict[str, dict[str, int]]:
    """Return how many Jobs of each replicated job are ready, succeeded, failed, active and suspended."""
    found = {job["name"]: dict.fromkeys(COUNTS, 0) for job in fields.replicated_jobs(jobset)}

    def count(job: Object, what: str) -> None:
        name = fields.replicated_job_of(job)
        if name in found:
            found[name][what] += 1

    for job in children.active:
        status = job.get("status") or {}
        if status.get("succeeded", 0) + status.get("ready", 0) >= _pods(job):
            count(job, "ready")
        if status.get("active", 0) > 0:
            count(job, "active")
        if fields.suspended(job):
            count(job, "suspended")
    for job in children.successful:
        count(job, "succeeded")
    for job in children.failed:
        count(job, "failed")
    return found


def replicated_jobs_status(found: dict[str, dict[str, int]]) -> list[Object]:
    """Return the counts as the status has them: by name, the last name first, as JobSet writes them."""
    return [{"name": name, **found[name]} for name in sorted(found, reverse=True)]


def all_ready(jobset: Object, found: dict[str, dict[str, int]]) -> bool:
    """Say whether every Job is ready or has succeeded."""
    ready = sum(count["ready"] + count["succeeded"] for count in found.values())
    return ready == fields.total_replicas(fields.replicated_jobs(jobset))


def started(replicated_job: Object, count: dict[str, int]) -> bool:
    """Say whether every Job of a replicated job has come as far as to be ready, however it went on from there."""
    return count["ready"] + count["succeeded"] + count["failed"] == fields.replicas(replicated_job)


def _attempt(job: Object) -> int:
    label = (job["metadata"].get("labels") or {}).get(JOBSET_RESTART_ATTEMPT, "")
    return int(label) if label.isdigit() else 0


def _pods(job: Object) -> int:
    parallelism = int(job["spec"].get("parallelism", 1))
    return min(parallelism, int(job["spec"].get("completions") or parallelism))
