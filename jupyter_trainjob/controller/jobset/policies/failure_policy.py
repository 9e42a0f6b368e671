"""Failure policy: whether a failed Job fails or restarts the whole JobSet.

Without a policy the first failed Job fails the JobSet. With one, the first rule that matches a failed Job decides, else
the JobSet restarts, as long as it has restarts left. A restart increments ``status.restarts``, so that all Jobs of the
previous attempt are deleted and created again (JobSet's pkg/controllers/failure_policy.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.jobset import jobset_fields

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
    """The JobSet restarts."""

    counted: bool
    """Whether it counts towards ``maxRestarts``."""
    reason: str
    """Reason of the condition RestartingJobSet."""
    event: str
    message: str


def decide_on_failure(jobset: KubeObject, failed: list[KubeObject]) -> Fail | Restart:
    """Decide whether a JobSet with failed Jobs fails or restarts."""
    policy = jobset["spec"].get("failurePolicy")
    if policy is None:
        return Fail(FAILED_JOBS, _with_job_name(FAILED_JOBS_MESSAGE, _first_failed(failed)))
    rule, job = _first_match(policy.get("rules") or [], failed)
    action = RESTART if rule is None else rule["action"]
    if action == FAIL:
        return Fail(FAIL_ACTION, _with_job_name(FAIL_ACTION_MESSAGE, job))
    if action not in (RESTART, RESTART_UNCOUNTED):
        return Fail(
            NOT_SUPPORTED, _with_job_name(f"failure policy action {action} is not supported by this controller", job)
        )
    used = int((jobset.get("status") or {}).get("restartsCountTowardsMax", 0))
    if action == RESTART and used >= int(policy.get("maxRestarts", 0)):
        return Fail(REACHED_MAX_RESTARTS, _with_job_name(REACHED_MAX_RESTARTS_MESSAGE, job))
    return Restart(
        counted=action == RESTART,
        reason="DefaultFailurePolicy" if rule is None else f"FailurePolicy_{rule.get('name', '')}",
        event=f"{action}FailurePolicyAction",
        message=_with_job_name(f"applying {action} failure policy action", job),
    )


def _first_match(rules: list[KubeObject], failed: list[KubeObject]) -> tuple[KubeObject | None, KubeObject]:
    """Return the first matching rule, with the Job that failed first of those that it matches."""
    for index, rule in enumerate(rules):
        jobs = [job for job in failed if _applies(rule, job)]
        if jobs:
            return {"name": f"failurePolicyRule{index}", **rule}, _first_failed(jobs)
    return None, _first_failed(failed)


def _applies(rule: KubeObject, job: KubeObject) -> bool:
    condition = conditions.get_condition(job, "Failed") or {}
    reasons = rule.get("onJobFailureReasons")
    patterns = rule.get("onJobFailureMessagePatterns")
    targets = rule.get("targetReplicatedJobs")
    parent = jobset_fields.replicated_job_of(job)
    return (
        (not reasons or condition.get("reason") in reasons)
        and (not patterns or any(_matches(pattern, condition.get("message", "")) for pattern in patterns))
        and parent is not None
        and (not targets or parent in targets)
    )


def _matches(pattern: str, message: str) -> bool:
    try:
        return re.search(pattern, message) is not None
    except re.error:
        return False


def _first_failed(failed: list[KubeObject]) -> KubeObject:
    """Return the Job that failed first."""
    return min(failed, key=lambda job: (conditions.get_condition(job, "Failed") or {}).get("lastTransitionTime") or "")


def _with_job_name(message: str, job: KubeObject) -> str:
    return f"{message} (first failed job: {job['metadata']['name']})"
