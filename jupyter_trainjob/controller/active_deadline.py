"""``spec.activeDeadlineSeconds``: the time after which a TrainJob fails. Pure functions.

It counts from the creation of the TrainJob, and from zero after each resume.
"""

from __future__ import annotations

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller import trainjob_status as statuses

MESSAGE = "TrainJob exceeded its active deadline"


def seconds_left(train_job: KubeObject, status: KubeObject, *, now: float) -> float | None:
    """Return the seconds until the deadline, negative after it; None if none applies. `now` is in unix seconds."""
    spec = train_job["spec"]
    seconds = spec.get("activeDeadlineSeconds")
    if not seconds or spec.get("suspend") or statuses.is_finished(status):
        return None
    start = train_job["metadata"]["creationTimestamp"]
    for condition in status.get("conditions") or ():
        if condition["type"] == statuses.SUSPENDED and condition["status"] == "False":
            start = condition["lastTransitionTime"]
    return times.unix_seconds(start) + float(seconds) - now
