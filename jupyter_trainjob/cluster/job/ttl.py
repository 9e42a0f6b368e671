"""``ttlSecondsAfterFinished``: how long a finished Job stays."""

from __future__ import annotations

from datetime import datetime

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object


def seconds_left(job: Object, now: datetime) -> float | None:
    """Return the seconds until a finished Job is to be deleted; None if it stays."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or "deletionTimestamp" in job["metadata"]:
        return None
    for kind in ("Complete", "Failed"):
        condition = conditions.get(job, kind)
        finished = times.parse_time(condition["lastTransitionTime"]) if condition else None
        if condition is not None and condition["status"] == "True" and finished is not None:
            return float(ttl) - (now - finished).total_seconds()
    return None
