"""``dependsOn``: a replicated job is created once those that it names are ready, or complete."""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields
from jupyter_trainjob.controller.jobset.child_jobs import has_started


def are_dependencies_met(jobset: KubeObject, replicated_job: KubeObject, counts: dict[str, dict[str, int]]) -> bool:
    """Return whether all dependencies of a replicated job have the required status."""
    by_name = {job["name"]: job for job in jobset_fields.replicated_jobs(jobset)}
    for dependency in replicated_job.get("dependsOn") or ():
        other = by_name.get(dependency["name"])
        if other is None or not _is_reached(dependency["status"], other, counts[other["name"]]):
            return False
    return True


def _is_reached(wanted: str, other: KubeObject, count: dict[str, int]) -> bool:
    if wanted == "Complete":
        return count["succeeded"] == jobset_fields.replicas(other)
    return has_started(other, count)
