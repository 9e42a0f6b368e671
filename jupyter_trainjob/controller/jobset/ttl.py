"""``ttlSecondsAfterFinished``: how long a finished JobSet stays."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.controller.jobset.conditions import COMPLETED, FAILED


def seconds_left(jobset: Object, *, now: float) -> float | None:
    """Return the seconds until a finished JobSet is to be deleted; None if it stays."""
    ttl = jobset["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    for kind in (COMPLETED, FAILED):
        condition = conditions.get(jobset, kind)
        if condition is not None and condition["status"] == "True":
            return seconds(condition["lastTransitionTime"]) + float(ttl) - now
    return None
