"""Startup policy: with ``InOrder`` a replicated job starts when the one before it is ready; else all at once."""

from __future__ import annotations

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields
from jupyter_trainjob.controller.jobset.child_jobs import has_started
from jupyter_trainjob.controller.jobset.policies.depends_on import are_dependencies_met


def is_in_order(jobset: KubeObject) -> bool:
    """Return whether the replicated jobs of a JobSet are started one after the other."""
    return (jobset["spec"].get("startupPolicy") or {}).get("startupPolicyOrder") == "InOrder"


def startable_jobs(jobset: KubeObject, counts: dict[str, dict[str, int]]) -> list[KubeObject]:
    """Return the replicated jobs whose Jobs may exist, and run unless the JobSet is suspended.

    The Jobs of a suspended JobSet are created at once, apart from dependencies, since none of them runs.
    """
    allowed: list[KubeObject] = []
    for job in jobset_fields.replicated_jobs(jobset):
        if not are_dependencies_met(jobset, job, counts):
            continue
        if is_in_order(jobset) and not jobset_fields.is_suspended(jobset) and has_started(job, counts[job["name"]]):
            continue
        allowed.append(job)
        if is_in_order(jobset) and not jobset_fields.is_suspended(jobset):
            break
    return allowed


def is_in_progress(jobset: KubeObject, counts: dict[str, dict[str, int]]) -> bool:
    """Return whether an in-order start has not finished yet."""
    return any(not has_started(job, counts[job["name"]]) for job in jobset_fields.replicated_jobs(jobset))
