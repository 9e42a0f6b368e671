"""``spec.activeDeadlineSeconds``: how long a TrainJob may take before it fails. Pure functions.

The clock starts with the TrainJob, and anew, in full, with each resume.
"""

from __future__ import annotations

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller import status as statuses

MESSAGE = "TrainJob exceeded its active deadline"


def seconds_left(train_job: Object, status: Object, *, now: float) -> float | None:
    """Return the seconds until the deadline, negative after it; None if no deadline counts at present."""
    spec = train_job["spec"]
    seconds = spec.get("activeDeadlineSeconds")
    if not seconds or spec.get("suspend") or statuses.finished(status):
        return None
    start = train_job["metadata"]["creationTimestamp"]
    for condition in status.get("conditions") or ():
        if condition["type"] == statuses.SUSPENDED and condition["status"] == "False":
            start = condition["lastTransitionTime"]
    return times.seconds(start) + float(seconds) - now
