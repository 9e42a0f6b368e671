"""``dependsOn``: a replicated job is created once those that it names are ready, or complete."""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields
from jupyter_trainjob.controller.jobset.children import started


def dependencies_reached(jobset: Object, replicated_job: Object, found: dict[str, dict[str, int]]) -> bool:
    """Say whether everything that a replicated job waits for is there."""
    by_name = {job["name"]: job for job in fields.replicated_jobs(jobset)}
    for dependency in replicated_job.get("dependsOn") or ():
        other = by_name.get(dependency["name"])
        if other is None or not _reached(dependency["status"], other, found[other["name"]]):
            return False
    return True


def _reached(wanted: str, other: Object, count: dict[str, int]) -> bool:
    if wanted == "Complete":
        return count["succeeded"] == fields.replicas(other)
    return started(other, count)
