"""Decide whether and how a Job ends: the checks of ``syncJob``, in its order.

A Job that is going to end gets an interim condition at once (SuccessCriteriaMet, FailureTarget), and the final one
(Complete, Failed) when none of its pods is running or terminating. An interim condition is never revoked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import job_success_policy, pod_failure_policy
from jupyter_trainjob.cluster.job.pod_counts import TERMINAL_PHASES, PodCounts, pod_phase

_FINAL_CONDITIONS = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a Job ends: its interim condition, with reason and message."""

    interim: str
    reason: str
    message: str

    @property
    def final(self) -> str:
        """Return the condition to set when no pod is running or terminating."""
        return _FINAL_CONDITIONS[self.interim]

    @property
    def failed(self) -> bool:
        """Return whether the Job fails."""
        return self.interim == "FailureTarget"


COMPLETE = JobOutcome("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")


def find_outcome(
    job: KubeObject, pods: Sequence[KubeObject], counts: PodCounts, seconds_left: float | None
) -> JobOutcome | None:
    """Return how the Job ends before reaching its completions, or None if it continues.

    `seconds_left` is the number of seconds until its deadline, None without one.
    """
    return (
        _recorded_outcome(job)
        or _outcome_by_failure_policy(job, counts)
        or _outcome_by_limits(job, pods, counts, seconds_left)
        or _outcome_by_indexes(job, counts)
        or _outcome_by_success_policy(job, counts)
    )


def is_complete(job: KubeObject, counts: PodCounts, active: int) -> bool:
    """Return whether the Job has reached its completions, with `active` pods left."""
    completions = job["spec"].get("completions")
    enough = counts.succeeded > 0 if completions is None else counts.succeeded >= completions
    return enough and not active


def _recorded_outcome(job: KubeObject) -> JobOutcome | None:
    for interim in _FINAL_CONDITIONS:
        condition = conditions.get_condition(job, interim)
        if condition is not None and condition["status"] == "True":
            return JobOutcome(interim, condition.get("reason", ""), condition.get("message", ""))
    return None


def _outcome_by_failure_policy(job: KubeObject, counts: PodCounts) -> JobOutcome | None:
    for pod in counts.failed_pods:
        match = pod_failure_policy.match_failure_policy(job, pod)
        if match.action == pod_failure_policy.FAIL_JOB:
            return JobOutcome("FailureTarget", "PodFailurePolicy", match.message)
    return None


def _outcome_by_limits(
    job: KubeObject, pods: Sequence[KubeObject], counts: PodCounts, seconds_left: float | None
) -> JobOutcome | None:
    if counts.failed > job["spec"]["backoffLimit"] or _restarted_too_often(job, pods):
        return JobOutcome("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if seconds_left is not None and seconds_left <= 0:
        return JobOutcome("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def seconds_to_deadline(job: KubeObject, status: KubeObject, now: datetime) -> float | None:
    """Return the seconds that a Job may still be active; None if there is no limit."""
    deadline, start = job["spec"].get("activeDeadlineSeconds"), times.parse_time(status.get("startTime"))
    if deadline is None or start is None or job["spec"].get("suspend"):
        return None
    return float(deadline) - (now - start).total_seconds()


def _restarted_too_often(job: KubeObject, pods: Sequence[KubeObject]) -> bool:
    """Return whether container restarts have reached the backoff limit (``pastBackoffLimitOnFailure``)."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount") or 0
        for pod in pods
        if pod_phase(pod) not in TERMINAL_PHASES
        for container in (
            *((pod.get("status") or {}).get("containerStatuses") or ()),
            *((pod.get("status") or {}).get("initContainerStatuses") or ()),
        )
    )
    return restarts > 0 and restarts >= int(job["spec"]["backoffLimit"])


def _outcome_by_indexes(job: KubeObject, counts: PodCounts) -> JobOutcome | None:
    failed, spec, limit = counts.failed_indexes, job["spec"], job["spec"].get("maxFailedIndexes")
    if limit is not None and len(failed) > limit:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return JobOutcome("FailureTarget", "MaxFailedIndexesExceeded", message)
    if failed and len(failed) + len(counts.completed) >= spec["completions"]:
        return JobOutcome("FailureTarget", "FailedIndexes", "Job has failed indexes")
    return None


def _outcome_by_success_policy(job: KubeObject, counts: PodCounts) -> JobOutcome | None:
    message = job_success_policy.match_success_policy(job, counts.completed)
    return None if message is None else JobOutcome("SuccessCriteriaMet", "SuccessPolicy", message)
