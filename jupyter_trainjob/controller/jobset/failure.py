"""Failure policy: what a failed Job means for the whole JobSet. It fails, or begins anew.

Without a policy the first failed Job fails the JobSet. With one, the first rule that matches a failed Job decides, else
the JobSet restarts, as long as it has restarts left. A restart counts ``status.restarts`` up, by which all Jobs of the
attempt before become previous ones, to be deleted and made anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields

FAILED_JOBS = "FailedJobs"
FAILED_JOBS_MESSAGE = "jobset failed due to one or more job failures"
REACHED_MAX_RESTARTS = "ReachedMaxRestarts"
REACHED_MAX_RESTARTS_MESSAGE = "jobset failed due to reaching max number of restarts"
FAIL_ACTION = "FailJobSetFailurePolicyAction"
FAIL_ACTION_MESSAGE = "applying FailJobSet failure policy action"
NOT_SUPPORTED = "FailurePolicyActionNotSupported"

FAIL = "FailJobSet"
RESTART = "RestartJobSet"
RESTART_UNCOUNTED = "RestartJobSetAndIgnoreMaxRestarts"


@dataclass(frozen=True)
class Fail:
    """The JobSet fails, with the reason and message of its condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Restart:
    """The JobSet begins anew."""

    counted: bool
    """Whether it counts towards ``maxRestarts``."""
    reason: str
    """Reason of the condition RestartingJobSet."""
    event: str
    message: str


def on_failure(jobset: Object, failed: list[Object]) -> Fail | Restart:
    """Decide what becomes of a JobSet with failed Jobs."""
    policy = jobset["spec"].get("failurePolicy")
    if policy is None:
        return Fail(FAILED_JOBS, _naming(FAILED_JOBS_MESSAGE, _first(failed)))
    rule, job = _matching(policy.get("rules") or [], failed)
    action = RESTART if rule is None else rule["action"]
    if action == FAIL:
        return Fail(FAIL_ACTION, _naming(FAIL_ACTION_MESSAGE, job))
    if action not in (RESTART, RESTART_UNCOUNTED):
        return Fail(NOT_SUPPORTED, _naming(f"failure policy action {action} is not supported by this controller", job))
    used = int((jobset.get("status") or {}).get("restartsCountTowardsMax", 0))
    if action == RESTART and used >= int(policy.get("maxRestarts", 0)):
        return Fail(REACHED_MAX_RESTARTS, _naming(REACHED_MAX_RESTARTS_MESSAGE, job))
    return Restart(
        counted=action == RESTART,
        reason="DefaultFailurePolicy" if rule is None else f"FailurePolicy_{rule.get('name', '')}",
        event=f"{action}FailurePolicyAction",
        message=_naming(f"applying {action} failure policy action", job),
    )


def _matching(rules: list[Object], failed: list[Object]) -> tuple[Object | None, Object]:
    """Return the first rule that applies, with the Job that failed first among those it applies to."""
    for index, rule in enumerate(rules):
        jobs = [job for job in failed if _applies(rule, job)]
        if jobs:
            return {"name": f"failurePolicyRule{index}", **rule}, _first(jobs)
    return None, _first(failed)


def _applies(rule: Object, job: Object) -> bool:
    condition = conditions.get(job, "Failed") or {}
    reasons = rule.get("onJobFailureReasons")
    patterns = rule.get("onJobFailureMessagePatterns")
    targets = rule.get("targetReplicatedJobs")
    parent = fields.replicated_job_of(job)
    return (
        (not reasons or condition.get("reason") in reasons)
        and (not patterns or any(_found(pattern, condition.get("message", "")) for pattern in patterns))
        and parent is not None
        and (not targets or parent in targets)
    )


def _found(pattern: str, message: str) -> bool:
    try:
        return re.search(pattern, message) is not None
    except re.error:
        return False


def _first(failed: list[Object]) -> Object:
    """Return the Job that failed first."""
    return min(failed, key=lambda job: (conditions.get(job, "Failed") or {}).get("lastTransitionTime") or "")


def _naming(message: str, job: Object) -> str:
    return f"{message} (first failed job: {job['metadata']['name']})"
