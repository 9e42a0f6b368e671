"""How a Job ends: the questions of ``syncJob`` in its order, and the conditions that say so.

A Job that is to end says so at once (SuccessCriteriaMet, FailureTarget), and is finished (Complete, Failed) when none
of its pods is left running or terminating. What was said once stays said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import failure_policy, success_policy
from jupyter_trainjob.cluster.job.counts import TERMINAL, Counts, phase

_FINAL = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Job ends: the condition that says so at once, and why."""

    interim: str
    reason: str
    message: str

    @property
    def final(self) -> str:
        """Return the condition that follows when no pod is left."""
        return _FINAL[self.interim]

    @property
    def failed(self) -> bool:
        """Return whether the Job fails."""
        return self.interim == "FailureTarget"


COMPLETE = Verdict("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")


def verdict(job: Object, pods: Sequence[Object], counts: Counts, left: float | None) -> Verdict | None:
    """Return how the Job ends before all its completions are reached, or None if it goes on.

    `left` are the seconds to its deadline, if it has one.
    """
    return (
        _said(job)
        or _by_failure_policy(job, counts)
        or _by_limits(job, pods, counts, left)
        or _by_indexes(job, counts)
        or _by_success_policy(job, counts)
    )


def complete(job: Object, counts: Counts, active: int) -> bool:
    """Return whether all that the Job wants has been reached, with so many pods still active."""
    completions = job["spec"].get("completions")
    enough = counts.succeeded > 0 if completions is None else counts.succeeded >= completions
    return enough and not active


def _said(job: Object) -> Verdict | None:
    for interim in _FINAL:
        said = conditions.get(job, interim)
        if said is not None and said["status"] == "True":
            return Verdict(interim, said.get("reason", ""), said.get("message", ""))
    return None


def _by_failure_policy(job: Object, counts: Counts) -> Verdict | None:
    for pod in counts.lost:
        match = failure_policy.match(job, pod)
        if match.action == failure_policy.FAIL_JOB:
            return Verdict("FailureTarget", "PodFailurePolicy", match.message)
    return None


def _by_limits(job: Object, pods: Sequence[Object], counts: Counts, left: float | None) -> Verdict | None:
    if counts.failed > job["spec"]["backoffLimit"] or _restarted_too_often(job, pods):
        return Verdict("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if left is not None and left <= 0:
        return Verdict("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def seconds_to_deadline(job: Object, status: Object, now: datetime) -> float | None:
    """Return the seconds that a Job may still be active; None if there is no limit."""
    deadline, began = job["spec"].get("activeDeadlineSeconds"), times.parse_time(status.get("startTime"))
    if deadline is None or began is None or job["spec"].get("suspend"):
        return None
    return float(deadline) - (now - began).total_seconds()


def _restarted_too_often(job: Object, pods: Sequence[Object]) -> bool:
    """Return whether containers that restart in their pod have used up the limit (``pastBackoffLimitOnFailure``)."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount") or 0
        for pod in pods
        if phase(pod) not in TERMINAL
        for container in (
            *((pod.get("status") or {}).get("containerStatuses") or ()),
            *((pod.get("status") or {}).get("initContainerStatuses") or ()),
        )
    )
    return restarts > 0 and restarts >= int(job["spec"]["backoffLimit"])


def _by_indexes(job: Object, counts: Counts) -> Verdict | None:
    failed, spec, most = counts.failed_indexes, job["spec"], job["spec"].get("maxFailedIndexes")
    if most is not None and len(failed) > most:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return Verdict("FailureTarget", "MaxFailedIndexesExceeded", message)
    if failed and len(failed) + len(counts.completed) >= spec["completions"]:
        return Verdict("FailureTarget", "FailedIndexes", "Job has failed indexes")
    return None


def _by_success_policy(job: Object, counts: Counts) -> Verdict | None:
    message = success_policy.met(job, counts.completed)
    return None if message is None else Verdict("SuccessCriteriaMet", "SuccessPolicy", message)
