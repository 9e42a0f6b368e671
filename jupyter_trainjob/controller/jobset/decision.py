"""What is to be done about a JobSet, decided in one go from the JobSet and its Jobs. Pure.

`decide` goes through JobSet's steps in JobSet's order: a finished one is only cleaned up; Jobs of an earlier attempt
go; a failed Job calls the failure policy; success ends it; else Jobs are created, suspended or resumed. What comes out
is a list of writes and the status after them, for `reconciler` to carry out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.controller.events import NORMAL, WARNING
from jupyter_trainjob.controller.jobset import failure, fields, startup, success, suspend, ttl
from jupyter_trainjob.controller.jobset.children import (
    Children,
    all_ready,
    categorize,
    counts,
    replicated_jobs_status,
)
from jupyter_trainjob.controller.jobset.claims import claims
from jupyter_trainjob.controller.jobset.conditions import (
    COMPLETED,
    FAILED,
    RESTARTING,
    STARTUP_COMPLETED,
    STARTUP_IN_PROGRESS,
    SUSPENDED,
    Condition,
    finished,
)
from jupyter_trainjob.controller.jobset.jobs import missing_jobs
from jupyter_trainjob.controller.jobset.network import headless_service

NOT_SUPPORTED = "NotSupported"


@dataclass
class Decision:
    """The writes to be made, in this order, and the status after them."""

    status: Object
    delete: list[Object] = field(default_factory=list)
    """Jobs to be deleted, in the foreground: their names are free when their pods are gone."""
    service: Object | None = None
    claims: list[Object] = field(default_factory=list)
    create: list[Object] = field(default_factory=list)
    patches: list[tuple[Object, Object]] = field(default_factory=list)
    """Jobs with the merge patch for each."""
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, reason and message of each event, to be told once the status is written."""
    expired: bool = False
    """Whether the JobSet itself is to be deleted."""
    again: float | None = None
    """Seconds after which to decide again, whatever happens."""

    def set(self, condition: Condition, *, now: float, kind: str = NORMAL) -> None:
        """Set a condition of the status; if that changes something, tell it in an event."""
        old = self.status.get("conditions") or []
        new = condition.on(old, now=timestamp(now))
        if new is not old:
            self.status["conditions"] = new
            self.events.append((kind, condition.reason, condition.message))


def decide(jobset: Object, jobs: Iterable[Object], *, now: float) -> Decision:
    """Decide what is to be done about a JobSet, given the Jobs that it controls."""
    children = categorize(jobset, jobs)
    found = counts(jobset, children)
    status = {"restarts": 0, **(jobset.get("status") or {}), "replicatedJobsStatus": replicated_jobs_status(found)}
    decision = Decision(status)
    if finished(jobset):
        decision.delete = _deletable(children.active)
        left = ttl.seconds_left(jobset, now=now)
        decision.expired = left is not None and left <= 0
        decision.again = None if decision.expired else left
        return decision
    problem = unsupported(jobset)
    if problem is not None:
        _fail(decision, failure.Fail(NOT_SUPPORTED, problem), now=now)
        return decision
    decision.delete = _deletable(children.previous)
    if not fields.suspended(jobset) and all_ready(jobset, found):
        decision.set(Condition(RESTARTING, False, "JobsReady", "all jobs are ready"), now=now)
    if children.failed:
        _apply_failure_policy(decision, jobset, children, now=now)
    elif success.succeeded(jobset, children):
        decision.set(Condition(COMPLETED, True, success.REASON, success.MESSAGE), now=now)
        decision.set(Condition(RESTARTING, False, "JobSetCompleted", success.MESSAGE), now=now)
        decision.status["terminalState"] = COMPLETED
    else:
        _run(decision, jobset, children, found, now=now)
    return decision


def unsupported(jobset: Object) -> str | None:
    """Say what a JobSet asks for that this controller does not do; None if there is nothing."""
    if (jobset["spec"].get("failurePolicy") or {}).get("restartStrategy") == "InPlaceRestart":
        return "restart strategy InPlaceRestart is not supported by this controller; use Recreate"
    return None


def _apply_failure_policy(decision: Decision, jobset: Object, children: Children, *, now: float) -> None:
    outcome = failure.on_failure(jobset, children.failed)
    if isinstance(outcome, failure.Fail):
        _fail(decision, outcome, now=now)
        return
    decision.status["restarts"] = fields.restarts(jobset) + 1
    if outcome.counted:
        decision.status["restartsCountTowardsMax"] = int(decision.status.get("restartsCountTowardsMax", 0)) + 1
    decision.set(Condition(RESTARTING, True, outcome.reason, outcome.message), now=now, kind=WARNING)
    decision.events.append((WARNING, outcome.event, outcome.message))


def _fail(decision: Decision, outcome: failure.Fail, *, now: float) -> None:
    decision.set(Condition(FAILED, True, outcome.reason, outcome.message), now=now, kind=WARNING)
    decision.set(Condition(RESTARTING, False, "JobSetFailed", "jobset failed"), now=now)
    decision.status["terminalState"] = FAILED


def _run(
    decision: Decision, jobset: Object, children: Children, found: dict[str, dict[str, int]], *, now: float
) -> None:
    """Create what may exist by now, and suspend it or let it go on."""
    decision.service = headless_service(jobset)
    decision.claims = claims(jobset)
    startable = startup.startable(jobset, found)
    decision.create = [job for wanted in startable for job in missing_jobs(jobset, wanted, children)]
    if fields.suspended(jobset):
        decision.patches = [(job, patch) for job in children.active if (patch := suspend.suspend_patch(job))]
        decision.set(Condition(SUSPENDED, True, suspend.REASON, suspend.MESSAGE), now=now)
        decision.set(Condition(RESTARTING, False, "JobSetSuspended", suspend.MESSAGE), now=now)
        return
    templates = {wanted["name"]: wanted for wanted in startable}
    for job in children.active:
        wanted = templates.get(fields.replicated_job_of(job) or "")
        patch = None if wanted is None else suspend.resume_patch(job, wanted)
        if patch is not None:
            decision.patches.append((job, patch))
    if startup.in_order(jobset) and startup.in_progress(jobset, found):
        reason, message = "InOrderStartupPolicyInProgress", "in order startup policy is in progress"
        decision.set(Condition(STARTUP_IN_PROGRESS, True, reason, message), now=now)
        return
    if startup.in_order(jobset):
        reason, message = "InOrderStartupPolicyCompleted", "in order startup policy has completed"
        decision.set(Condition(STARTUP_COMPLETED, True, reason, message), now=now)
    decision.set(Condition(SUSPENDED, False, suspend.RESUMED_REASON, suspend.RESUMED_MESSAGE), now=now)


def _deletable(jobs: list[Object]) -> list[Object]:
    return [job for job in jobs if not job["metadata"].get("deletionTimestamp")]
