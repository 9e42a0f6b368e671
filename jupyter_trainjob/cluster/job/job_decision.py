"""Decide what a Job needs next: pods to create, pods to delete, its status and events. Pure.

The order of checks is that of ``syncJob`` in Kubernetes' Job controller: failure or success, suspension, pods to create
or delete, completion.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import (
    backoff_per_index,
    completion,
    completion_indexes,
    pod_backoff,
    pod_failure_policy,
)
from jupyter_trainjob.cluster.job.completion import COMPLETE, JobOutcome
from jupyter_trainjob.cluster.job.completion_indexes import index_of
from jupyter_trainjob.cluster.job.excess_pods import find_excess_pods
from jupyter_trainjob.cluster.job.pod_counts import PodCounts, count_pods, is_indexed, pod_phase
from jupyter_trainjob.controller.event_recorder import NORMAL, WARNING

MAX_CREATED_AT_ONCE: Final = 500
"""Most pods created in one reconciliation (``MaxPodCreateDeletePerSync``)."""
MAX_ACTIVE: Final = 1_000
"""Most unfinished pods of a Job. Kubernetes has no such limit; here every pod takes memory of one computer."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An event to record about the Job."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod to create: its completion index, None in a NonIndexed Job, and the failed pod that it replaces."""

    index: int | None = None
    replaces: KubeObject | None = None


@dataclass(slots=True)
class Decision:
    """The writes that a Job needs now."""

    status: KubeObject
    create: list[NewPod] = field(default_factory=list)
    delete: list[KubeObject] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    newly_counted: Set[str] = frozenset()
    """Uids of the pods that the new status counts for the first time."""
    deletions_are_failures: bool = False
    """Whether the pods to delete count as failures: those of a failed Job do."""
    requeue_after: float | None = None
    """Seconds after which to reconcile again without a change; None if not needed."""

    def count_created(self) -> None:
        """Update the status for a pod that was created."""
        _set_count(self.status, "active", self.status.get("active", 0) + 1)

    def count_deleted(self, pod: KubeObject) -> None:
        """Update the status for a pod that was deleted."""
        _set_count(self.status, "active", self.status.get("active", 0) - 1)
        self.status["terminating"] += 1
        self.status["ready"] -= conditions.is_true(pod, "Ready")

    def requeue_within(self, seconds: float) -> None:
        """Reconcile again after at most so many seconds."""
        self.requeue_after = seconds if self.requeue_after is None else min(seconds, self.requeue_after)


def is_finished(job: KubeObject) -> bool:
    """Return whether the Job is Complete or Failed, which is final."""
    return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")


def decide(
    job: KubeObject,
    pods: Sequence[KubeObject],
    now: datetime,
    *,
    counted: Set[str] = frozenset(),
    exempt: Set[str] = frozenset(),
) -> Decision:
    """Return what an unfinished Job needs, given its pods.

    `counted` are the uids of the pods that its status counts already, `exempt` those of pods whose deletion does not
    count as a failure.
    """
    spec, stamp = job["spec"], times.timestamp(now)
    counts = count_pods(job, pods, counted=counted, exempt=exempt)
    decision = Decision(_counted_status(job, counts), newly_counted=counts.newly_counted)
    status = decision.status
    if not spec.get("suspend"):
        status.setdefault("startTime", stamp)
    outcome = completion.find_outcome(job, pods, counts, completion.seconds_to_deadline(job, status, now))
    if outcome is not None:
        _end_job(decision, job, counts, outcome, stamp, counted={*counted, *counts.newly_counted, *exempt})
        return decision
    deleting = "deletionTimestamp" in job["metadata"]
    if not deleting:
        _manage_pods(decision, job, counts, pods, now)
    if completion.is_complete(job, counts, len(counts.active) - len(decision.delete) + len(decision.create)):
        _set_end_conditions(decision, job, COMPLETE, stamp, terminating=len(counts.terminating) + len(decision.delete))
        return decision
    if not deleting:
        _set_suspended_condition(decision, suspended=bool(spec.get("suspend")), stamp=stamp)
    seconds_left = completion.seconds_to_deadline(job, status, now)
    if seconds_left is not None:
        decision.requeue_within(seconds_left)
    return decision


def _counted_status(job: KubeObject, counts: PodCounts) -> KubeObject:
    """Return the status with new counts; conditions and times are unchanged."""
    status: KubeObject = {
        **(job.get("status") or {}),
        "terminating": len(counts.terminating),
        "ready": counts.ready,
        "uncountedTerminatedPods": {},
    }
    for name, number in (("active", len(counts.active)), ("succeeded", counts.succeeded), ("failed", counts.failed)):
        _set_count(status, name, number)
    status.pop("completedIndexes", None)
    if counts.completed:
        status["completedIndexes"] = completion_indexes.format_indexes(counts.completed)
    if backoff_per_index.is_enabled(job):
        status["failedIndexes"] = completion_indexes.format_indexes(counts.failed_indexes)
    return status


def _end_job(
    decision: Decision, job: KubeObject, counts: PodCounts, outcome: JobOutcome, stamp: str, *, counted: Set[str]
) -> None:
    """End the Job: set the interim condition, then delete active pods, then set the final condition.

    The interim condition is written before any deletion, because only those pods may show why the Job ends.
    """
    if counts.active and conditions.find_condition(decision.status.get("conditions") or (), outcome.interim) is None:
        _set_end_conditions(decision, job, outcome, stamp, terminating=len(counts.active))
        return
    decision.delete = list(counts.active)
    if outcome.failed:
        # The remaining pods of a failed Job count as failed.
        decision.deletions_are_failures = True
        failed_uids = {
            pod["metadata"]["uid"]
            for pod in (*counts.active, *counts.terminating)
            if pod_failure_policy.counts_as_failure(job, pod) and not (is_indexed(job) and index_of(job, pod) is None)
        }
        failed_uids -= counted
        decision.newly_counted = counts.newly_counted | failed_uids
        _set_count(decision.status, "failed", counts.failed + len(failed_uids))
    _set_end_conditions(decision, job, outcome, stamp, terminating=len(counts.terminating) + len(counts.active))


def _set_end_conditions(
    decision: Decision, job: KubeObject, outcome: JobOutcome, stamp: str, *, terminating: int
) -> None:
    """Set the interim condition, and the final one with its events unless pods are still terminating."""
    status = decision.status
    condition = {"status": "True", "reason": outcome.reason, "message": outcome.message, "lastProbeTime": stamp}
    new_conditions = status.get("conditions") or []
    if conditions.find_condition(new_conditions, outcome.interim) is None:
        new_conditions = conditions.set_condition(new_conditions, {"type": outcome.interim, **condition}, stamp)
    if not terminating:
        new_conditions = conditions.set_condition(new_conditions, {"type": outcome.final, **condition}, stamp)
        if outcome.failed:
            decision.events.append(JobEvent(WARNING, outcome.reason, outcome.message))
        else:
            status["completionTime"] = stamp
            completions = job["spec"].get("completions")
            if completions is not None and status.get("succeeded", 0) > completions:
                message = "Too many succeeded pods running after completion count reached"
                decision.events.append(JobEvent(WARNING, "TooManySucceededPods", message))
            decision.events.append(JobEvent(NORMAL, "Completed", "Job completed"))
    status["conditions"] = new_conditions


def _manage_pods(
    decision: Decision,
    job: KubeObject,
    counts: PodCounts,
    pods: Sequence[KubeObject],
    now: datetime,
) -> None:
    """Decide which pods to create or delete (``manageJob``)."""
    spec, active = job["spec"], counts.active
    if spec.get("suspend"):
        decision.delete = list(active)
        return
    completions, parallelism = spec.get("completions"), spec["parallelism"]
    if completions is None:
        wanted = len(active) if counts.succeeded else parallelism
    else:
        wanted = max(min(parallelism, completions - counts.succeeded), 0)
    decision.delete = find_excess_pods(job, counts, wanted)
    if decision.delete:
        return
    missing = min(wanted - len(active), MAX_ACTIVE - len(active), MAX_CREATED_AT_ONCE)
    if spec.get("podReplacementPolicy") == "Failed":
        missing -= len(counts.terminating)
    if missing <= 0:
        return
    if not backoff_per_index.is_enabled(job):
        backoff = pod_backoff.seconds_until_retry(
            counts.failed_pods, (pod for pod in pods if pod_phase(pod) == "Succeeded"), now
        )
        if backoff > 0:
            decision.requeue_within(backoff)
            return
    if is_indexed(job):
        _fill_indexes(decision, job, counts, missing, now)
    else:
        decision.create = [NewPod()] * missing


def _fill_indexes(
    decision: Decision,
    job: KubeObject,
    counts: PodCounts,
    missing: int,
    now: datetime,
) -> None:
    """Choose the indexes to create pods for: the lowest free ones, after their back-off if failures count per index."""
    occupying = counts.active
    if job["spec"].get("podReplacementPolicy") == "Failed":
        occupying = [*occupying, *counts.terminating]
    taken_indexes = {*counts.completed, *counts.failed_indexes, *(index_of(job, pod) for pod in occupying)}
    free = list(islice((index for index in range(job["spec"]["completions"]) if index not in taken_indexes), missing))
    if not backoff_per_index.is_enabled(job):
        decision.create = [NewPod(index) for index in free]
        return
    to_replace = backoff_per_index.pods_to_replace(
        job, counts.failed_pods, {index for index in taken_indexes if index is not None}
    )
    waits = {
        index: pod_backoff.remaining_backoff(
            backoff_per_index.total_failures(pod) + 1, pod_backoff.finish_time(pod), now
        )
        for index, pod in to_replace.items()
    }
    decision.create = [NewPod(index, to_replace.get(index)) for index in free if waits.get(index, 0.0) <= 0]
    pending = [waits[index] for index in free if waits.get(index, 0.0) > 0]
    if pending:
        decision.requeue_within(min(pending))


def _set_suspended_condition(decision: Decision, *, suspended: bool, stamp: str) -> None:
    """Update the Suspended condition; a Job that was never suspended has none."""
    status = decision.status
    status_conditions = status.get("conditions") or []
    current = conditions.find_condition(status_conditions, "Suspended")
    if suspended == (current is not None and current["status"] == "True"):
        return
    word, reason = ("suspended", "JobSuspended") if suspended else ("resumed", "JobResumed")
    condition = {"type": "Suspended", "status": str(suspended), "reason": reason, "message": f"Job {word}"}
    status["conditions"] = conditions.set_condition(status_conditions, {**condition, "lastProbeTime": stamp}, stamp)
    decision.events.append(JobEvent(NORMAL, word.capitalize(), f"Job {word}"))
    if suspended:
        status.pop("startTime", None)
    else:
        status["startTime"] = stamp


def _set_count(status: KubeObject, name: str, number: int) -> None:
    """Set a count, omitting zero as Go's ``omitempty`` does."""
    status.pop(name, None)
    if number:
        status[name] = number
