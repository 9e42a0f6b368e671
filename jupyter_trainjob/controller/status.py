"""What a TrainJob's status says: conditions and counts, derived from its spec and its JobSet. Pure functions.

The reconciler writes what comes out of here. Types, reasons and messages are Kubeflow Trainer's; where upstream forgets
a failure as soon as the JobSet is gone, and would build the job anew, a failed job stays failed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object

SUSPENDED: Final = "Suspended"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
RUNTIME_NOT_SUPPORTED: Final = "TrainingRuntimeNotSupported"

_COUNTS = ("ready", "succeeded", "failed", "active", "suspended")
SETTLING_SECONDS: Final = 2.0


def observe(train_job: Object, jobset: Object | None, *, now: str) -> Object:
    """Return the status of a TrainJob as its spec and its JobSet (None: there is none) make it."""
    status = {**(train_job.get("status") or {})}
    found = list(status.get("conditions") or ())
    if train_job["spec"].get("suspend"):
        found = conditions.set(found, _condition(SUSPENDED, True, "Suspended", "TrainJob is suspended"), now)
    elif _is_true(found, SUSPENDED):
        found = conditions.set(found, _condition(SUSPENDED, False, "Resumed", "TrainJob is resumed"), now)
    if jobset is not None:
        for theirs, ours in (("Completed", COMPLETE), ("Failed", FAILED)):
            condition = conditions.get(jobset, theirs)
            if condition is not None and condition["status"] == "True" and not deadline_exceeded(status):
                found = conditions.set(found, {**condition, "type": ours}, now)
        counts = [
            {"name": job["name"], **{count: job.get(count, 0) for count in _COUNTS}}
            for job in (jobset.get("status") or {}).get("replicatedJobsStatus") or ()
        ]
        if counts:
            status["jobsStatus"] = counts
        else:
            status.pop("jobsStatus", None)
    return _with(status, found)


def fail(status: Object, reason: str, message: str, *, now: str) -> Object:
    """Return `status` with the job failed."""
    return _with(status, conditions.set(status.get("conditions") or [], _condition(FAILED, True, reason, message), now))


def supported(status: Object) -> Object:
    """Return `status` without the complaint that the runtime is not supported, which a new version may have cured."""
    left = [
        condition
        for condition in status.get("conditions") or ()
        if not (condition["type"] == FAILED and condition.get("reason") == RUNTIME_NOT_SUPPORTED)
    ]
    return _with(status, left)


def finished(status: Object) -> bool:
    """Say whether the job will not run any more; an unsupported runtime is looked at again each time."""
    found = status.get("conditions") or ()
    return _is_true(found, COMPLETE) or (_is_true(found, FAILED) and _reason(found, FAILED) != RUNTIME_NOT_SUPPORTED)


def deadline_exceeded(status: Object) -> bool:
    """Say whether the job failed because of its deadline."""
    return _reason(status.get("conditions") or (), FAILED) == DEADLINE_EXCEEDED


def settling(train_job: Object, status: Object, jobset: Object | None, *, age: float) -> float | None:
    """Return the seconds after which to write a status that only counts Jobs which are about to be ready.

    A JobSet's first seconds are a flurry of counts that nobody can read. None means: write now, since a condition
    changed, a Job is ready or ended, or the JobSet is old enough for "active" to be news.
    """
    old = train_job.get("status") or {}
    if jobset is None or age >= SETTLING_SECONDS:
        return None
    if {**old, "jobsStatus": None} != {**status, "jobsStatus": None}:
        return None
    if any(job[count] for job in status.get("jobsStatus") or () for count in _COUNTS if count != "active"):
        return None
    return max(SETTLING_SECONDS - age, 0.0)


def _condition(kind: str, true: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}


def _with(status: Object, found: list[Object]) -> Object:
    changed = {**status, "conditions": found}
    if not found:
        del changed["conditions"]
    return changed


def _is_true(found: Sequence[Object], kind: str) -> bool:
    return (conditions.find(found, kind) or {}).get("status") == "True"


def _reason(found: Sequence[Object], kind: str) -> str | None:
    return (conditions.find(found, kind) or {}).get("reason")
