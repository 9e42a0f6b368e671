"""Startup policy: with ``InOrder`` a replicated job starts when the one before it is ready; else all at once."""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields
from jupyter_trainjob.controller.jobset.children import started
from jupyter_trainjob.controller.jobset.depends_on import dependencies_reached


def in_order(jobset: Object) -> bool:
    """Say whether the JobSet wants its replicated jobs started one after the other."""
    return (jobset["spec"].get("startupPolicy") or {}).get("startupPolicyOrder") == "InOrder"


def startable(jobset: Object, found: dict[str, dict[str, int]]) -> list[Object]:
    """Return the replicated jobs whose Jobs may exist, and run unless the JobSet is suspended.

    A suspended JobSet has all its Jobs at once, apart from dependencies, since none of them runs.
    """
    allowed: list[Object] = []
    for job in fields.replicated_jobs(jobset):
        if not dependencies_reached(jobset, job, found):
            continue
        if in_order(jobset) and not fields.suspended(jobset) and started(job, found[job["name"]]):
            continue
        allowed.append(job)
        if in_order(jobset) and not fields.suspended(jobset):
            break
    return allowed


def in_progress(jobset: Object, found: dict[str, dict[str, int]]) -> bool:
    """Say whether an in-order start has not yet reached its end."""
    return any(not started(job, found[job["name"]]) for job in fields.replicated_jobs(jobset))
