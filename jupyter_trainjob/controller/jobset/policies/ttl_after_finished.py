"""``ttlSecondsAfterFinished``: how long a finished JobSet stays."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.controller.jobset.jobset_conditions import COMPLETED, FAILED


def seconds_left(jobset: KubeObject, *, now: float) -> float | None:
    """Return the seconds until a finished JobSet is to be deleted; None if it stays."""
    ttl = jobset["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    for kind in (COMPLETED, FAILED):
        condition = conditions.get_condition(jobset, kind)
        if condition is not None and condition["status"] == "True":
            return unix_seconds(condition["lastTransitionTime"]) + float(ttl) - now
    return None
