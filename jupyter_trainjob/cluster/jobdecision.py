"""What a Job needs next, decided from the Job and its pods alone: pods to make, pods to delete, the status.

Pure functions, called by `job`. The order of questions is that of Kubernetes' Job controller (``syncJob``): has it
failed, is it suspended, does it need pods, is it complete. Two differences: its pods carry no finalizer, so counts
never fall below those in the status instead; and a pod that somebody deletes is replaced without counting as a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.pods import completion_index
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster import indexes
from jupyter_trainjob.controller.events import NORMAL, WARNING

FIRST_BACKOFF = 10.0
LAST_BACKOFF = 600.0
"""Seconds before a failed pod is replaced: the first time, and at most."""

_TERMINAL = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Note:
    """An event to record about the Job."""

    kind: str
    reason: str
    message: str


@dataclass(slots=True)
class Decision:
    """What to do now. `create` holds the completion index of each pod to make, None where pods have no index."""

    status: Object
    create: list[int | None] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    again: float | None = None
    """Seconds after which time alone will have changed something."""

    def count_active(self, change: int) -> None:
        """Keep ``status.active`` in step with a pod that was made (1) or deleted (-1)."""
        _set_count(self.status, "active", self.status.get("active", 0) + change)


@dataclass(frozen=True, slots=True)
class _Counts:
    active: list[Object]
    terminating: int
    succeeded: int
    failed: int
    completed: set[int]
    """The indexes that are done; empty for a Job without indexes."""


def is_finished(job: Object) -> bool:
    """Return whether the Job is complete or has failed: nothing about it changes any more."""
    return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")


def decide(job: Object, pods: Sequence[Object], now: datetime) -> Decision:
    """Return what an unfinished Job needs, given its pods."""
    spec, stamp = job["spec"], times.timestamp(now)
    counts = _count(job, pods)
    decision = Decision(status=_status(job, counts))
    status = decision.status
    if not spec.get("suspend"):
        status.setdefault("startTime", stamp)
    verdict = _verdict(job, counts, status, now)
    if verdict is not None:
        _end(decision, counts, verdict, stamp)
        return decision
    if "deletionTimestamp" not in job["metadata"]:
        _manage(decision, job, counts, pods, now)
        _tell_suspension(decision, suspended=bool(spec.get("suspend")), stamp=stamp)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not spec.get("suspend"):
        left = deadline - _seconds_since(status["startTime"], now)
        decision.again = left if decision.again is None else min(left, decision.again)
    return decision


def is_active(pod: Object) -> bool:
    """Return whether a pod runs or is going to: neither ended nor being deleted."""
    return _phase(pod) not in _TERMINAL and "deletionTimestamp" not in pod["metadata"]


def _count(job: Object, pods: Sequence[Object]) -> _Counts:
    spec, before = job["spec"], job.get("status") or {}
    succeeded = [pod for pod in pods if _phase(pod) == "Succeeded"]
    failed = sum(_phase(pod) == "Failed" and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    completed: set[int] = set()
    if spec.get("completionMode") == "Indexed":
        completed = indexes.parse(before.get("completedIndexes") or "", completions=spec["completions"])
        completed |= {
            index for pod in succeeded if (index := completion_index(pod)) is not None and index < spec["completions"]
        }
        total = len(completed)
    else:
        total = max(len(succeeded), before.get("succeeded") or 0)
    return _Counts(
        active=[pod for pod in pods if is_active(pod)],
        terminating=sum(_phase(pod) not in _TERMINAL and "deletionTimestamp" in pod["metadata"] for pod in pods),
        succeeded=total,
        failed=max(failed, before.get("failed") or 0),
        completed=completed,
    )


def _status(job: Object, counts: _Counts) -> Object:
    """Return the status with what has been counted; conditions and times as they are."""
    status: Object = {**(job.get("status") or {}), "terminating": counts.terminating, "uncountedTerminatedPods": {}}
    status["ready"] = sum(conditions.is_true(pod, "Ready") for pod in counts.active)
    for name, number in (("active", len(counts.active)), ("succeeded", counts.succeeded), ("failed", counts.failed)):
        _set_count(status, name, number)
    if counts.completed:
        status["completedIndexes"] = indexes.written(counts.completed)
    return status


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a Job ends: the condition that says so at once, the one that follows when no pod is left, and why."""

    interim: str
    final: str
    reason: str
    message: str


def _verdict(job: Object, counts: _Counts, status: Object, now: datetime) -> _Verdict | None:
    """Return how the Job ends, or None if it goes on. What was said once stays said."""
    for interim, final in (("SuccessCriteriaMet", "Complete"), ("FailureTarget", "Failed")):
        said = conditions.get(job, interim)
        if said is not None and said["status"] == "True":
            return _Verdict(interim, final, said.get("reason", ""), said.get("message", ""))
    spec = job["spec"]
    if counts.failed > spec["backoffLimit"] or _restarted_too_often(spec, counts.active):
        message = "Job has reached the specified backoff limit"
        return _Verdict("FailureTarget", "Failed", "BackoffLimitExceeded", message)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not spec.get("suspend") and _seconds_since(status["startTime"], now) >= deadline:
        message = "Job was active longer than specified deadline"
        return _Verdict("FailureTarget", "Failed", "DeadlineExceeded", message)
    completions = spec.get("completions")
    enough = counts.succeeded > 0 if completions is None else counts.succeeded >= completions
    if enough and not counts.active:
        message = "Reached expected number of succeeded pods"
        return _Verdict("SuccessCriteriaMet", "Complete", "CompletionsReached", message)
    return None


def _restarted_too_often(spec: Object, active: Iterable[Object]) -> bool:
    """Return whether containers that restart in their pod have used up the limit (``pastBackoffLimitOnFailure``)."""
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount") or 0
        for pod in active
        for container in (
            *((pod.get("status") or {}).get("containerStatuses") or ()),
            *((pod.get("status") or {}).get("initContainerStatuses") or ()),
        )
    )
    return restarts > 0 and restarts >= int(spec["backoffLimit"])


def _end(decision: Decision, counts: _Counts, verdict: _Verdict, stamp: str) -> None:
    """End the Job: say so, delete what still runs, and finish once nothing does."""
    status = decision.status
    why = {"status": "True", "reason": verdict.reason, "message": verdict.message, "lastProbeTime": stamp}
    held = status.get("conditions") or []
    if conditions.find(held, verdict.interim) is None:
        held = conditions.set(held, {"type": verdict.interim, **why}, stamp)
    if counts.active:
        decision.delete = list(counts.active)
    elif not counts.terminating:
        held = conditions.set(held, {"type": verdict.final, **why}, stamp)
        if verdict.final == "Complete":
            status["completionTime"] = stamp
            decision.notes.append(Note(NORMAL, "Completed", "Job completed"))
        else:
            decision.notes.append(Note(WARNING, verdict.reason, verdict.message))
    status["conditions"] = held


def _manage(decision: Decision, job: Object, counts: _Counts, pods: Sequence[Object], now: datetime) -> None:
    """Decide which pods to make or to delete (``manageJob``)."""
    spec, active = job["spec"], counts.active
    if spec.get("suspend"):
        decision.delete = list(active)
        return
    completions, parallelism = spec.get("completions"), spec["parallelism"]
    if completions is None:
        wanted = len(active) if counts.succeeded else parallelism
    else:
        wanted = min(parallelism, completions - counts.succeeded)
    doubles = _doubles(job, counts)
    surplus = len(active) - len(doubles) - wanted
    if doubles or surplus > 0:
        # Those that have come least far go first, and of those the highest indexes.
        rest = sorted((pod for pod in active if pod not in doubles), key=_progress)
        decision.delete = doubles + rest[: max(surplus, 0)]
        return
    missing = wanted - len(active)
    if spec.get("podReplacementPolicy") == "Failed":
        missing -= counts.terminating
    if missing <= 0:
        return
    wait = _backoff(pods, now)
    if wait > 0:
        decision.again = wait
    elif spec.get("completionMode") == "Indexed":
        taken = counts.completed | {index for pod in active if (index := completion_index(pod)) is not None}
        free = (index for index in range(completions) if index not in taken)
        decision.create = list(islice(free, missing))
    else:
        decision.create = [None] * missing


def _doubles(job: Object, counts: _Counts) -> list[Object]:
    """Return active pods of an Indexed Job that no index needs: done already, out of range, or twice."""
    if job["spec"].get("completionMode") != "Indexed":
        return []
    found: list[Object] = []
    seen = set(counts.completed)
    for pod in sorted(counts.active, key=_progress, reverse=True):
        index = completion_index(pod)
        if index is None or index in seen or index >= job["spec"]["completions"]:
            found.append(pod)
        else:
            seen.add(index)
    return found


def _progress(pod: Object) -> tuple[bool, bool, bool, int]:
    ready, bound = conditions.is_true(pod, "Ready"), bool(pod["spec"].get("nodeName"))
    return bound, _phase(pod) == "Running", ready, -(completion_index(pod) or 0)


def _backoff(pods: Iterable[Object], now: datetime) -> float:
    """Return the seconds until a pod may be replaced: 10 after the first failure in a row, then twice as many each."""
    ended = sorted((_ended(pod), _phase(pod) == "Failed") for pod in pods if _phase(pod) in _TERMINAL)
    row = 0
    for _, failed in reversed(ended):
        if not failed:
            break
        row += 1
    if not row:
        return 0.0
    pause = timedelta(seconds=min(FIRST_BACKOFF * 2.0 ** min(row - 1, 10), LAST_BACKOFF))
    return (ended[-1][0] + pause - now).total_seconds()


def _ended(pod: Object) -> datetime:
    """Return when a pod's last container ended; pods that never had one ended when they were made."""
    moments = [
        moment
        for container in (pod.get("status") or {}).get("containerStatuses") or ()
        if (moment := times.parse_time(((container.get("state") or {}).get("terminated") or {}).get("finishedAt")))
    ]
    made = times.parse_time(pod["metadata"]["creationTimestamp"])
    return max(moments) if moments or made is None else made


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


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def _seconds_since(stamp: str, now: datetime) -> float:
    began = times.parse_time(stamp)
    return (now - began).total_seconds() if began else 0.0
