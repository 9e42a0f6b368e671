"""The status of a TrainJob, its failure by a deadline, and delayed status writes."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller import active_deadline, trainjob_status

NOW = "2026-01-01T00:01:00Z"
EARLIER = "2026-01-01T00:00:00Z"


def condition(
    kind: str, value: str = "True", reason: str = "R", message: str = "M", since: str = EARLIER
) -> KubeObject:
    return {"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": since}


def train_job(*conditions: KubeObject, **spec: Any) -> KubeObject:
    job: KubeObject = {"metadata": {"creationTimestamp": EARLIER}, "spec": spec}
    if conditions:
        job["status"] = {"conditions": list(conditions)}
    return job


def jobset(*conditions: KubeObject, **counts: int) -> KubeObject:
    jobs = [{"name": "node", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0, **counts}]
    return {"metadata": {}, "spec": {}, "status": {"conditions": list(conditions), "replicatedJobsStatus": jobs}}


SUSPENDED = condition("Suspended", "True", "Suspended", "TrainJob is suspended")
RESUMED = condition("Suspended", "False", "Resumed", "TrainJob is resumed", NOW)
DEADLINE = condition("Failed", "True", "DeadlineExceeded", active_deadline.MESSAGE)

CONDITIONS: dict[str, tuple[KubeObject, KubeObject | None, list[KubeObject]]] = {
    "a new job has none": (train_job(), None, []),
    "a suspended job says so": (train_job(suspend=True), None, [{**SUSPENDED, "lastTransitionTime": NOW}]),
    "a job that stays suspended keeps its time": (train_job(SUSPENDED, suspend=True), None, [SUSPENDED]),
    "a resumed job says so from then on": (train_job(SUSPENDED), None, [RESUMED]),
    "a job that was resumed long ago keeps that time": (
        train_job({**RESUMED, "lastTransitionTime": EARLIER}),
        None,
        [
            {**RESUMED, "lastTransitionTime": EARLIER},
        ],
    ),
    "completion is the JobSet's, word for word": (
        train_job(),
        jobset(condition("Completed", reason="AllJobsCompleted", message="jobset completed successfully")),
        [condition("Complete", reason="AllJobsCompleted", message="jobset completed successfully")],
    ),
    "failure is the JobSet's, word for word": (
        train_job(),
        jobset(condition("Failed", reason="FailedJobs", message="one or more")),
        [condition("Failed", reason="FailedJobs", message="one or more")],
    ),
    "the JobSet's own suspension is none of ours": (train_job(), jobset(condition("Suspended")), []),
    "a failed job stays failed when its JobSet is gone": (
        train_job(condition("Failed", reason="FailedJobs")),
        None,
        [condition("Failed", reason="FailedJobs")],
    ),
    "a passed deadline is not overwritten by what becomes of the JobSet": (
        train_job(DEADLINE),
        jobset(condition("Failed", reason="FailedJobs")),
        [DEADLINE],
    ),
}


@pytest.mark.parametrize("case", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_conditions(case: tuple[KubeObject, KubeObject | None, list[KubeObject]]) -> None:
    job, child, expected = case
    assert trainjob_status.derive_status(job, child, now=NOW).get("conditions", []) == expected


def test_counts_equal_the_jobsets_and_are_kept_after_its_deletion() -> None:
    job = train_job()
    status = trainjob_status.derive_status(job, jobset(active=1, ready=1), now=NOW)
    assert status["jobsStatus"] == [
        {"name": "node", "ready": 1, "succeeded": 0, "failed": 0, "active": 1, "suspended": 0},
    ]
    assert trainjob_status.derive_status({**job, "status": status}, None, now=NOW) == status


def test_status_fields_of_others_are_kept() -> None:
    job = {**train_job(), "status": {"trainerStatus": {"progressPercentage": 5}}}
    assert trainjob_status.derive_status(job, jobset(), now=NOW)["trainerStatus"] == {"progressPercentage": 5}


def test_complete_and_failed_jobs_are_finished_except_for_an_unsupported_runtime() -> None:
    def finished(*conditions: KubeObject) -> bool:
        return trainjob_status.is_finished({"conditions": list(conditions)})

    assert not finished()
    assert not finished(SUSPENDED)
    assert finished(condition("Complete"))
    assert finished(DEADLINE)
    assert not finished(condition("Complete", "False"))
    unsupported = trainjob_status.with_failure({}, trainjob_status.RUNTIME_NOT_SUPPORTED, "no mpi here", now=NOW)
    assert not trainjob_status.is_finished(unsupported)
    assert unsupported["conditions"][0]["reason"] == "TrainingRuntimeNotSupported"
    assert trainjob_status.without_unsupported(unsupported) == {}


LEFT: dict[str, tuple[KubeObject, float | None]] = {
    "no deadline": (train_job(), None),
    "from creation": (train_job(activeDeadlineSeconds=90), 30),
    "passed": (train_job(activeDeadlineSeconds=10), -50),
    "not while suspended": (train_job(SUSPENDED, activeDeadlineSeconds=10, suspend=True), None),
    "from the last resume, in full": (train_job(RESUMED, activeDeadlineSeconds=10), 10),
    "not when complete": (train_job(condition("Complete"), activeDeadlineSeconds=10), None),
    "not when failed": (train_job(condition("Failed"), activeDeadlineSeconds=10), None),
}


@pytest.mark.parametrize("case", LEFT.values(), ids=LEFT.keys())
def test_seconds_left_of_a_deadline(case: tuple[KubeObject, float | None]) -> None:
    job, expected = case
    now = 1767225660.0
    assert active_deadline.seconds_left(job, job.get("status") or {}, now=now) == expected


SETTLING: dict[str, tuple[KubeObject, KubeObject | None, float, float | None]] = {
    "active Jobs of a young JobSet are about to be ready": (train_job(), jobset(active=1), 0.5, 1.5),
    "a JobSet that nobody has looked at yet is about to be active": (train_job(), jobset(), 0.0, 2.0),
    "active is news when it lasts": (train_job(), jobset(active=1), 2.0, None),
    "a ready Job is news": (train_job(), jobset(active=1, ready=1), 0.1, None),
    "a failed Job is news": (train_job(), jobset(failed=1), 0.1, None),
    "a condition is news": (train_job(), jobset(condition("Completed")), 0.1, None),
    "a suspended job is news": (train_job(suspend=True), jobset(active=1), 0.1, None),
    "a failure without a JobSet is news": (train_job(), None, 0.0, None),
}


@pytest.mark.parametrize("case", SETTLING.values(), ids=SETTLING.keys())
def test_status_with_only_active_counts_is_delayed(
    case: tuple[KubeObject, KubeObject | None, float, float | None],
) -> None:
    job, child, age, expected = case
    assert (
        trainjob_status.settling_delay(job, trainjob_status.derive_status(job, child, now=NOW), child, age=age)
        == expected
    )
