"""Decide what a JobSet needs next, from the JobSet and its Jobs. Pure.

`decide` follows the order of JobSet's ``reconcile`` (pkg/controllers/jobset_controller.go): a finished JobSet is
cleaned up; Jobs of earlier attempts are deleted; a failed Job triggers the failure policy; success completes the
JobSet; else Jobs are created, suspended or resumed. `jobset_reconciler` carries out the returned writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.controller.event_recorder import NORMAL, WARNING
from jupyter_trainjob.controller.jobset import jobset_fields
from jupyter_trainjob.controller.jobset.child_jobs import (
    ChildJobs,
    are_all_ready,
    categorize,
    count_jobs,
    replicated_jobs_status,
)
from jupyter_trainjob.controller.jobset.headless_service import headless_service
from jupyter_trainjob.controller.jobset.job_template import missing_jobs
from jupyter_trainjob.controller.jobset.jobset_conditions import (
    COMPLETED,
    FAILED,
    RESTARTING,
    STARTUP_COMPLETED,
    STARTUP_IN_PROGRESS,
    SUSPENDED,
    Condition,
    is_finished,
)
from jupyter_trainjob.controller.jobset.policies import (
    failure_policy,
    startup_policy,
    success_policy,
    suspension,
    ttl_after_finished,
)
from jupyter_trainjob.controller.jobset.policies.volume_claim_policy import wanted_claims

NOT_SUPPORTED = "NotSupported"


@dataclass
class Decision:
    """The writes, in this order, and the status after them."""

    status: KubeObject
    delete: list[KubeObject] = field(default_factory=list)
    """Jobs to delete in the foreground: their names are free after their pods are deleted."""
    service: KubeObject | None = None
    claims: list[KubeObject] = field(default_factory=list)
    create: list[KubeObject] = field(default_factory=list)
    patches: list[tuple[KubeObject, KubeObject]] = field(default_factory=list)
    """Jobs with the merge patch for each."""
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, reason and message of each event to record after the status is written."""
    expired: bool = False
    """Whether to delete the JobSet itself."""
    requeue_after: float | None = None
    """Seconds after which to decide again in any case."""

    def set_condition(self, condition: Condition, *, now: float, kind: str = NORMAL) -> None:
        """Set a condition of the status; if that changes it, add an event."""
        old = self.status.get("conditions") or []
        new = condition.apply_to(old, now=timestamp(now))
        if new is not old:
            self.status["conditions"] = new
            self.events.append((kind, condition.reason, condition.message))


def decide(jobset: KubeObject, jobs: Iterable[KubeObject], *, now: float) -> Decision:
    """Decide what to write for a JobSet, given the Jobs that it controls; `now` is in unix seconds."""
    children = categorize(jobset, jobs)
    counts = count_jobs(jobset, children)
    status = {"restarts": 0, **(jobset.get("status") or {}), "replicatedJobsStatus": replicated_jobs_status(counts)}
    decision = Decision(status)
    if is_finished(jobset):
        decision.delete = _deletable(children.active)
        seconds_left = ttl_after_finished.seconds_left(jobset, now=now)
        decision.expired = seconds_left is not None and seconds_left <= 0
        decision.requeue_after = None if decision.expired else seconds_left
        return decision
    problem = unsupported_reason(jobset)
    if problem is not None:
        _fail(decision, failure_policy.Fail(NOT_SUPPORTED, problem), now=now)
        return decision
    decision.delete = _deletable(children.previous)
    if not jobset_fields.is_suspended(jobset) and are_all_ready(jobset, counts):
        decision.set_condition(Condition(RESTARTING, False, "JobsReady", "all jobs are ready"), now=now)
    if children.failed:
        _apply_failure_policy(decision, jobset, children, now=now)
    elif success_policy.has_succeeded(jobset, children):
        decision.set_condition(Condition(COMPLETED, True, success_policy.REASON, success_policy.MESSAGE), now=now)
        decision.set_condition(Condition(RESTARTING, False, "JobSetCompleted", success_policy.MESSAGE), now=now)
        decision.status["terminalState"] = COMPLETED
    else:
        _run(decision, jobset, children, counts, now=now)
    return decision


def unsupported_reason(jobset: KubeObject) -> str | None:
    """Return which requested feature is not supported by this controller; None if all are."""
    if (jobset["spec"].get("failurePolicy") or {}).get("restartStrategy") == "InPlaceRestart":
        return "restart strategy InPlaceRestart is not supported by this controller; use Recreate"
    return None


def _apply_failure_policy(decision: Decision, jobset: KubeObject, children: ChildJobs, *, now: float) -> None:
    outcome = failure_policy.decide_on_failure(jobset, children.failed)
    if isinstance(outcome, failure_policy.Fail):
        _fail(decision, outcome, now=now)
        return
    decision.status["restarts"] = jobset_fields.restarts(jobset) + 1
    if outcome.counted:
        decision.status["restartsCountTowardsMax"] = int(decision.status.get("restartsCountTowardsMax", 0)) + 1
    decision.set_condition(Condition(RESTARTING, True, outcome.reason, outcome.message), now=now, kind=WARNING)
    decision.events.append((WARNING, outcome.event, outcome.message))


def _fail(decision: Decision, outcome: failure_policy.Fail, *, now: float) -> None:
    decision.set_condition(Condition(FAILED, True, outcome.reason, outcome.message), now=now, kind=WARNING)
    decision.set_condition(Condition(RESTARTING, False, "JobSetFailed", "jobset failed"), now=now)
    decision.status["terminalState"] = FAILED


def _run(
    decision: Decision, jobset: KubeObject, children: ChildJobs, counts: dict[str, dict[str, int]], *, now: float
) -> None:
    """Create the Jobs that may exist, and suspend or resume them."""
    decision.service = headless_service(jobset)
    decision.claims = wanted_claims(jobset)
    startable = startup_policy.startable_jobs(jobset, counts)
    decision.create = [job for wanted in startable for job in missing_jobs(jobset, wanted, children)]
    if jobset_fields.is_suspended(jobset):
        decision.patches = [(job, patch) for job in children.active if (patch := suspension.suspend_patch(job))]
        decision.set_condition(Condition(SUSPENDED, True, suspension.REASON, suspension.MESSAGE), now=now)
        decision.set_condition(Condition(RESTARTING, False, "JobSetSuspended", suspension.MESSAGE), now=now)
        return
    templates = {wanted["name"]: wanted for wanted in startable}
    for job in children.active:
        wanted = templates.get(jobset_fields.replicated_job_of(job) or "")
        patch = None if wanted is None else suspension.resume_patch(job, wanted)
        if patch is not None:
            decision.patches.append((job, patch))
    if startup_policy.is_in_order(jobset) and startup_policy.is_in_progress(jobset, counts):
        reason, message = "InOrderStartupPolicyInProgress", "in order startup policy is in progress"
        decision.set_condition(Condition(STARTUP_IN_PROGRESS, True, reason, message), now=now)
        return
    if startup_policy.is_in_order(jobset):
        reason, message = "InOrderStartupPolicyCompleted", "in order startup policy has completed"
        decision.set_condition(Condition(STARTUP_COMPLETED, True, reason, message), now=now)
    decision.set_condition(Condition(SUSPENDED, False, suspension.RESUMED_REASON, suspension.RESUMED_MESSAGE), now=now)


def _deletable(jobs: list[KubeObject]) -> list[KubeObject]:
    return [job for job in jobs if not job["metadata"].get("deletionTimestamp")]
