"""What a Job needs next, decided from the Job and its pods alone: pods to make, pods to delete, the status. Pure.

The order of questions is that of Kubernetes' Job controller (``syncJob``): how it ends, is it suspended, does it need
pods, is it complete.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import backoff, ending, failure_policy, indexes, per_index
from jupyter_trainjob.cluster.job.counts import Counts, count, is_indexed, phase
from jupyter_trainjob.cluster.job.ending import COMPLETE, Verdict
from jupyter_trainjob.cluster.job.indexes import index_of
from jupyter_trainjob.cluster.job.surplus import surplus
from jupyter_trainjob.controller.events import NORMAL, WARNING

MOST_AT_ONCE: Final = 500
"""Pods that are made in one go (``MaxPodCreateDeletePerSync``)."""


@dataclass(frozen=True, slots=True)
class Note:
    """An event to record about the Job."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod to make: its completion index, None where pods have none, and the failed pod whose place it takes."""

    index: int | None = None
    replaces: Object | None = None


@dataclass(slots=True)
class Decision:
    """What to do now."""

    status: Object
    create: list[NewPod] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    settled: Set[str] = frozenset()
    """Uids of the pods that the status counts from now on."""
    blaming: bool = False
    """Whether the pods to delete count as failures, since they go with a Job that failed."""
    again: float | None = None
    """Seconds after which time alone will have changed something."""

    def count_created(self) -> None:
        """Keep the status in step with a pod that was made."""
        _set_count(self.status, "active", self.status.get("active", 0) + 1)

    def count_deleted(self, pod: Object) -> None:
        """Keep the status in step with a pod that was deleted."""
        _set_count(self.status, "active", self.status.get("active", 0) - 1)
        self.status["terminating"] += 1
        self.status["ready"] -= conditions.is_true(pod, "Ready")

    def look_again(self, seconds: float) -> None:
        """Have the Job decided anew after so many seconds at the latest."""
        self.again = seconds if self.again is None else min(seconds, self.again)


def is_finished(job: Object) -> bool:
    """Return whether the Job is complete or has failed: nothing about it changes any more."""
    return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")


def decide(
    job: Object,
    pods: Sequence[Object],
    now: datetime,
    *,
    counted: Set[str] = frozenset(),
    spared: Set[str] = frozenset(),
) -> Decision:
    """Return what an unfinished Job needs, given its pods.

    `counted` are the pods that its status counts already, `spared` those that were deleted without blame.
    """
    spec, stamp = job["spec"], times.timestamp(now)
    counts = count(job, pods, counted=counted, spared=spared)
    decision = Decision(_status(job, counts), settled=counts.settled)
    status = decision.status
    if not spec.get("suspend"):
        status.setdefault("startTime", stamp)
    verdict = ending.verdict(job, pods, counts, ending.seconds_to_deadline(job, status, now))
    if verdict is not None:
        _end(decision, job, counts, verdict, stamp, known={*counted, *counts.settled, *spared})
        return decision
    deleting = "deletionTimestamp" in job["metadata"]
    if not deleting:
        _manage(decision, job, counts, pods, now)
    if ending.complete(job, counts, len(counts.active) - len(decision.delete) + len(decision.create)):
        _say(decision, job, COMPLETE, stamp, terminating=len(counts.terminating) + len(decision.delete))
        return decision
    if not deleting:
        _tell_suspension(decision, suspended=bool(spec.get("suspend")), stamp=stamp)
    left = ending.seconds_to_deadline(job, status, now)
    if left is not None:
        decision.look_again(left)
    return decision


def _status(job: Object, counts: Counts) -> Object:
    """Return the status with what has been counted; conditions and times as they are."""
    status: Object = {
        **(job.get("status") or {}),
        "terminating": len(counts.terminating),
        "ready": counts.ready,
        "uncountedTerminatedPods": {},
    }
    for name, number in (("active", len(counts.active)), ("succeeded", counts.succeeded), ("failed", counts.failed)):
        _set_count(status, name, number)
    status.pop("completedIndexes", None)
    if counts.completed:
        status["completedIndexes"] = indexes.written(counts.completed)
    if per_index.applies(job):
        status["failedIndexes"] = indexes.written(counts.failed_indexes)
    return status


def _end(decision: Decision, job: Object, counts: Counts, verdict: Verdict, stamp: str, *, known: Set[str]) -> None:
    """End the Job: say so, then delete what still runs, and finish once nothing does.

    It is said before anything is deleted, because those pods may be all that tells why the Job ends.
    """
    if counts.active and conditions.find(decision.status.get("conditions") or (), verdict.interim) is None:
        _say(decision, job, verdict, stamp, terminating=len(counts.active))
        return
    decision.delete = list(counts.active)
    if verdict.failed:
        # Pods that a failed Job takes with it have failed, too.
        decision.blaming = True
        taken = {
            pod["metadata"]["uid"]
            for pod in (*counts.active, *counts.terminating)
            if failure_policy.counts(job, pod) and not (is_indexed(job) and index_of(job, pod) is None)
        }
        taken -= known
        decision.settled = counts.settled | taken
        _set_count(decision.status, "failed", counts.failed + len(taken))
    _say(decision, job, verdict, stamp, terminating=len(counts.terminating) + len(counts.active))


def _say(decision: Decision, job: Object, verdict: Verdict, stamp: str, *, terminating: int) -> None:
    """Say how the Job ends, and that it has, unless pods are still terminating."""
    status = decision.status
    why = {"status": "True", "reason": verdict.reason, "message": verdict.message, "lastProbeTime": stamp}
    held = status.get("conditions") or []
    if conditions.find(held, verdict.interim) is None:
        held = conditions.set(held, {"type": verdict.interim, **why}, stamp)
    if not terminating:
        held = conditions.set(held, {"type": verdict.final, **why}, stamp)
        if verdict.failed:
            decision.notes.append(Note(WARNING, verdict.reason, verdict.message))
        else:
            status["completionTime"] = stamp
            completions = job["spec"].get("completions")
            if completions is not None and status.get("succeeded", 0) > completions:
                message = "Too many succeeded pods running after completion count reached"
                decision.notes.append(Note(WARNING, "TooManySucceededPods", message))
            decision.notes.append(Note(NORMAL, "Completed", "Job completed"))
    status["conditions"] = held


def _manage(
    decision: Decision,
    job: Object,
    counts: Counts,
    pods: Sequence[Object],
    now: datetime,
) -> None:
    """Decide which pods to make or to delete (``manageJob``)."""
    spec, active = job["spec"], counts.active
    if spec.get("suspend"):
        decision.delete = list(active)
        return
    completions, parallelism = spec.get("completions"), spec["parallelism"]
    if completions is None:
        wanted = len(active) if counts.succeeded else parallelism
    else:
        wanted = max(min(parallelism, completions - counts.succeeded), 0)
    decision.delete = surplus(job, counts, wanted)
    if decision.delete:
        return
    missing = min(wanted - len(active), MOST_AT_ONCE)
    if spec.get("podReplacementPolicy") == "Failed":
        missing -= len(counts.terminating)
    if missing <= 0:
        return
    if not per_index.applies(job):
        wait = backoff.wait(counts.lost, (pod for pod in pods if phase(pod) == "Succeeded"), now)
        if wait > 0:
            decision.look_again(wait)
            return
    if is_indexed(job):
        _fill_indexes(decision, job, counts, missing, now)
    else:
        decision.create = [NewPod()] * missing


def _fill_indexes(
    decision: Decision,
    job: Object,
    counts: Counts,
    missing: int,
    now: datetime,
) -> None:
    """Decide which indexes get a pod: the lowest free ones, each after its own pause where failures count per index."""
    holding = counts.active
    if job["spec"].get("podReplacementPolicy") == "Failed":
        holding = [*holding, *counts.terminating]
    taken = {*counts.completed, *counts.failed_indexes, *(index_of(job, pod) for pod in holding)}
    free = list(islice((index for index in range(job["spec"]["completions"]) if index not in taken), missing))
    if not per_index.applies(job):
        decision.create = [NewPod(index) for index in free]
        return
    replaced = per_index.replaced(job, counts.lost, {index for index in taken if index is not None})
    waits = {
        index: backoff.after(per_index.absolute(pod) + 1, backoff.ended(pod), now) for index, pod in replaced.items()
    }
    decision.create = [NewPod(index, replaced.get(index)) for index in free if waits.get(index, 0.0) <= 0]
    later = [waits[index] for index in free if waits.get(index, 0.0) > 0]
    if later:
        decision.look_again(min(later))


def _tell_suspension(decision: Decision, *, suspended: bool, stamp: str) -> None:
    """Keep the Suspended condition; a Job that was never suspended has none."""
    status = decision.status
    held = status.get("conditions") or []
    said = conditions.find(held, "Suspended")
    if suspended == (said is not None and said["status"] == "True"):
        return
    word, reason = ("suspended", "JobSuspended") if suspended else ("resumed", "JobResumed")
    told = {"type": "Suspended", "status": str(suspended), "reason": reason, "message": f"Job {word}"}
    status["conditions"] = conditions.set(held, {**told, "lastProbeTime": stamp}, stamp)
    decision.notes.append(Note(NORMAL, word.capitalize(), f"Job {word}"))
    if suspended:
        status.pop("startTime", None)
    else:
        status["startTime"] = stamp


def _set_count(status: Object, name: str, number: int) -> None:
    """Write a count as Go does: none is no field."""
    status.pop(name, None)
    if number:
        status[name] = number
