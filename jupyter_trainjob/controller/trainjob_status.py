"""Derive a TrainJob's status, conditions and counts, from its spec and its JobSet. Pure.

Types, reasons and messages are those of Kubeflow Trainer. Upstream drops a failure once the JobSet is deleted, and
builds the job again; here a failed job stays failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.conditions import DEADLINE_EXCEEDED
from jupyter_trainjob.api.resources import KubeObject

SUSPENDED: Final = "Suspended"
COMPLETE: Final = "Complete"
FAILED: Final = "Failed"

RUNTIME_NOT_SUPPORTED: Final = "TrainingRuntimeNotSupported"

_COUNTS = ("ready", "succeeded", "failed", "active", "suspended")
SETTLING_SECONDS: Final = 2.0


def derive_status(train_job: KubeObject, jobset: KubeObject | None, *, now: str) -> KubeObject:
    """Return the status of a TrainJob, derived from its spec and its JobSet (None if there is none)."""
    status = {**(train_job.get("status") or {})}
    conditions_now = list(status.get("conditions") or ())
    if train_job["spec"].get("suspend"):
        conditions_now = conditions.set_condition(
            conditions_now, _condition(SUSPENDED, True, "Suspended", "TrainJob is suspended"), now
        )
    elif _is_true(conditions_now, SUSPENDED):
        conditions_now = conditions.set_condition(
            conditions_now, _condition(SUSPENDED, False, "Resumed", "TrainJob is resumed"), now
        )
    if jobset is not None:
        for jobset_type, trainjob_type in (("Completed", COMPLETE), ("Failed", FAILED)):
            condition = conditions.get_condition(jobset, jobset_type)
            if condition is not None and condition["status"] == "True" and not is_deadline_exceeded(status):
                conditions_now = conditions.set_condition(conditions_now, {**condition, "type": trainjob_type}, now)
        counts = [
            {"name": job["name"], **{count: job.get(count, 0) for count in _COUNTS}}
            for job in (jobset.get("status") or {}).get("replicatedJobsStatus") or ()
        ]
        if counts:
            status["jobsStatus"] = counts
        else:
            status.pop("jobsStatus", None)
    return _with_conditions(status, conditions_now)


def with_failure(status: KubeObject, reason: str, message: str, *, now: str) -> KubeObject:
    """Return `status` with a true ``Failed`` condition."""
    return _with_conditions(
        status, conditions.set_condition(status.get("conditions") or [], _condition(FAILED, True, reason, message), now)
    )


def without_unsupported(status: KubeObject) -> KubeObject:
    """Return `status` without the condition for an unsupported runtime, which a new version may support."""
    remaining = [
        condition
        for condition in status.get("conditions") or ()
        if not (condition["type"] == FAILED and condition.get("reason") == RUNTIME_NOT_SUPPORTED)
    ]
    return _with_conditions(status, remaining)


def is_finished(status: KubeObject) -> bool:
    """Return whether the job has ended for good; one with an unsupported runtime is tried again each time."""
    conditions_now = status.get("conditions") or ()
    return _is_true(conditions_now, COMPLETE) or (
        _is_true(conditions_now, FAILED) and _reason(conditions_now, FAILED) != RUNTIME_NOT_SUPPORTED
    )


def is_deadline_exceeded(status: KubeObject) -> bool:
    """Return whether the job failed because of its deadline."""
    return _reason(status.get("conditions") or (), FAILED) == DEADLINE_EXCEEDED


def settling_delay(train_job: KubeObject, status: KubeObject, jobset: KubeObject | None, *, age: float) -> float | None:
    """Return the seconds to delay a status update that only counts Jobs which are about to be ready.

    The counts change quickly in a JobSet's first seconds. None means to write at once: a condition changed, a Job is
    ready or has ended, or the JobSet is older than `SETTLING_SECONDS`.
    """
    old = train_job.get("status") or {}
    if jobset is None or age >= SETTLING_SECONDS:
        return None
    if {**old, "jobsStatus": None} != {**status, "jobsStatus": None}:
        return None
    if any(job[count] for job in status.get("jobsStatus") or () for count in _COUNTS if count != "active"):
        return None
    return max(SETTLING_SECONDS - age, 0.0)


def _condition(kind: str, true: bool, reason: str, message: str) -> KubeObject:
    return {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}


def _with_conditions(status: KubeObject, conditions_now: list[KubeObject]) -> KubeObject:
    changed = {**status, "conditions": conditions_now}
    if not conditions_now:
        del changed["conditions"]
    return changed


def _is_true(conditions_now: Sequence[KubeObject], kind: str) -> bool:
    return (conditions.find_condition(conditions_now, kind) or {}).get("status") == "True"


def _reason(conditions_now: Sequence[KubeObject], kind: str) -> str | None:
    return (conditions.find_condition(conditions_now, kind) or {}).get("reason")
