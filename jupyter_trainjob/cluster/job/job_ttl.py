"""``ttlSecondsAfterFinished``: when to delete a finished Job."""

from __future__ import annotations

from datetime import datetime

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import KubeObject


def seconds_to_deletion(job: KubeObject, now: datetime) -> float | None:
    """Return the seconds until a finished Job is to be deleted, negative if overdue; None if it is kept."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or "deletionTimestamp" in job["metadata"]:
        return None
    for kind in ("Complete", "Failed"):
        condition = conditions.get_condition(job, kind)
        finished = times.parse_time(condition["lastTransitionTime"]) if condition else None
        if condition is not None and condition["status"] == "True" and finished is not None:
            return float(ttl) - (now - finished).total_seconds()
    return None
