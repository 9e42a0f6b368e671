"""Decisions of the Job controller for all states of a Job's pods."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.admission import defaults
from jupyter_trainjob.api.resources import JOBS, KubeObject
from jupyter_trainjob.cluster.job.job_decision import MAX_ACTIVE, Decision, decide, is_finished
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX
from tests.unit.cluster.world import indexed, job

_UIDS = count()
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=timezone.utc)


def stored_job(spec: KubeObject, status: KubeObject | None = None) -> KubeObject:
    """Return a Job as the API server stores it."""
    manifest = job("job", **spec)
    manifest["metadata"] |= {"uid": "job-uid", "resourceVersion": "7"}
    return {**defaults.apply_defaults(JOBS, manifest), "status": status or {}}


def pod(index: int | None = None, phase: str = "Running", *, ended: int = 0, **more: Any) -> KubeObject:
    """Return a pod whose container ended `ended` seconds ago."""
    annotations = {} if index is None else {JOB_COMPLETION_INDEX: str(index)}
    metadata = {
        "name": f"job-{index}-{more.get('name', 'aaaaa')}",
        "namespace": "default",
        "uid": f"pod-{next(_UIDS)}",
        "annotations": annotations,
        "creationTimestamp": times.timestamp(NOW - timedelta(seconds=1000)),
    }
    if more.get("deleted"):
        metadata["deletionTimestamp"] = times.timestamp(NOW)
    status: KubeObject = {"phase": phase}
    if phase in {"Succeeded", "Failed"}:
        finished = times.timestamp(NOW - timedelta(seconds=ended))
        status["containerStatuses"] = [{"name": "main", "state": {"terminated": {"finishedAt": finished}}}]
    elif "restarts" in more:
        status["containerStatuses"] = [{"name": "main", "restartCount": more["restarts"]}]
    if more.get("ready"):
        status["conditions"] = [{"type": "Ready", "status": "True"}]
    return {"metadata": metadata, "spec": {"nodeName": more.get("node", "n")}, "status": status}


def true_conditions(decision: Decision) -> list[str]:
    """Return the types of the true conditions, in the order of the new status."""
    return [entry["type"] for entry in decision.status.get("conditions", []) if entry["status"] == "True"]


@pytest.mark.parametrize(
    ("spec", "pods", "create"),
    [
        pytest.param(indexed(3), [], [0, 1, 2], id="a new Indexed Job gets a pod for each index"),
        pytest.param(indexed(4, parallelism=2), [], [0, 1], id="no more pods at a time than its parallelism"),
        pytest.param(indexed(3), [pod(0), pod(2)], [1], id="an index without a pod gets one"),
        pytest.param(indexed(3), [pod(0, "Succeeded"), pod(1), pod(2)], [], id="a completed index gets no pod"),
        pytest.param(
            indexed(4, parallelism=2),
            [pod(0, "Succeeded"), pod(1)],
            [2],
            id="the next index starts when one is done",
        ),
        pytest.param({"parallelism": 2, "completions": 3}, [], [None, None], id="pods without indexes are alike"),
        pytest.param(
            {"parallelism": 2, "completions": 3},
            [pod(None, "Succeeded"), pod(None, "Succeeded")],
            [None],
            id="no more pods than completions are left",
        ),
        pytest.param({"parallelism": 2}, [], [None, None], id="a Job without completions keeps its parallelism"),
        pytest.param(
            {"parallelism": 2},
            [pod(None, "Succeeded"), pod(None)],
            [],
            id="after the first success of a Job without completions nothing starts",
        ),
        pytest.param(indexed(2, suspend=True), [], [], id="a suspended Job gets no pods"),
        pytest.param(
            indexed(1, podReplacementPolicy="Failed"),
            [pod(0, deleted=True)],
            [],
            id="podReplacementPolicy Failed waits until the pod is gone",
        ),
        pytest.param(
            indexed(1, backoffLimit=3),
            [pod(0, "Failed", ended=11)],
            [0],
            id="a failed pod is replaced after ten seconds",
        ),
    ],
)
def test_pods_to_create(spec: KubeObject, pods: list[KubeObject], create: list[int | None]) -> None:
    decision = decide(stored_job(spec), pods, NOW)
    assert [new.index for new in decision.create] == create
    assert decision.delete == []


@pytest.mark.parametrize(
    ("pods", "wait"),
    [
        pytest.param([pod(0, "Failed", ended=3)], 7, id="ten seconds after the first failure"),
        pytest.param([pod(0, "Failed", ended=3), pod(0, "Failed", ended=40)], 17, id="twenty after the second"),
        pytest.param(
            [pod(0, "Failed", ended=3), pod(1, "Succeeded", ended=20), pod(0, "Failed", ended=40)],
            7,
            id="a success resets the count",
        ),
        pytest.param([pod(0, deleted=True), pod(1)], 10, id="a pod deleted by a user counts as failed"),
    ],
)
def test_failed_pod_is_replaced_after_a_back_off(pods: list[KubeObject], wait: float) -> None:
    decision = decide(stored_job(indexed(2, backoffLimit=6)), pods, NOW)
    assert decision.create == []
    assert decision.requeue_after == wait


def test_suspended_job_deletes_its_pods_and_sets_the_condition() -> None:
    pods = [pod(0), pod(1)]
    decision = decide(stored_job(indexed(2, suspend=True), {"startTime": "2026-05-04T11:00:00Z"}), pods, NOW)
    assert decision.delete == pods
    assert true_conditions(decision) == ["Suspended"]
    assert "startTime" not in decision.status
    assert [event.reason for event in decision.events] == ["Suspended"]


def test_resumed_job_clears_the_condition_and_resets_its_start_time() -> None:
    suspended = decide(stored_job(indexed(1, suspend=True)), [], NOW).status
    decision = decide(stored_job(indexed(1), suspended), [], NOW + timedelta(seconds=60))
    condition = conditions.find_condition(decision.status["conditions"], "Suspended")
    assert condition is not None
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "JobResumed", "Job resumed")
    assert condition["lastTransitionTime"] == decision.status["startTime"] == "2026-05-04T12:01:00Z"


def test_least_advanced_excess_pods_are_deleted() -> None:
    waiting, running = pod(1, "Pending", node=""), pod(0)
    decision = decide(stored_job({"parallelism": 1, "completions": 5}), [running, waiting], NOW)
    assert decision.delete == [waiting]


def test_duplicate_pod_of_an_index_is_deleted() -> None:
    first, second = pod(0, name="first", ready=True), pod(0, "Pending", name="second")
    assert decide(stored_job(indexed(1)), [second, first], NOW).delete == [second]


def test_status_counts_pods() -> None:
    pods = [pod(0, "Succeeded"), pod(1, "Succeeded"), pod(2, ready=True), pod(3), pod(4, deleted=True)]
    status = decide(stored_job(indexed(6, parallelism=2)), pods, NOW).status
    names = ("active", "ready", "succeeded", "terminating", "completedIndexes", "startTime")
    assert [status[name] for name in names] == [2, 1, 2, 1, "0,1", "2026-05-04T12:00:00Z"]
    assert status["failed"] == 1, "a pod deleted by a user counts as failed"


@pytest.mark.parametrize(
    ("spec", "before", "after"),
    [
        pytest.param(indexed(3), {"completedIndexes": "0,1", "succeeded": 2}, ("0,1", 2), id="with indexes"),
        pytest.param({"completions": 3, "parallelism": 1}, {"succeeded": 2}, (None, 2), id="without indexes"),
    ],
)
def test_success_counts_after_its_pod_is_deleted(
    spec: KubeObject, before: KubeObject, after: tuple[str | None, int]
) -> None:
    decision = decide(stored_job(spec, before), [], NOW)
    assert (decision.status.get("completedIndexes"), decision.status["succeeded"]) == after
    assert len(decision.create) == 1


def test_failure_counts_after_its_pod_is_deleted() -> None:
    assert true_conditions(decide(stored_job(indexed(1), {"failed": 1}), [], NOW)) == ["FailureTarget", "Failed"]


def test_job_is_complete_when_every_index_has_succeeded() -> None:
    decision = decide(stored_job(indexed(2)), [pod(0, "Succeeded"), pod(1, "Succeeded")], NOW)
    assert true_conditions(decision) == ["SuccessCriteriaMet", "Complete"]
    reasons = {(entry["reason"], entry["message"]) for entry in decision.status["conditions"]}
    assert reasons == {("CompletionsReached", "Reached expected number of succeeded pods")}
    assert decision.status["completionTime"] == "2026-05-04T12:00:00Z"
    assert [(event.reason, event.message) for event in decision.events] == [("Completed", "Job completed")]


def test_job_without_completions_is_complete_after_a_success_and_its_last_pod() -> None:
    pods = [pod(None, "Succeeded"), pod(None)]
    assert true_conditions(decide(stored_job({"parallelism": 2}), pods, NOW)) == []
    pods[1] = pod(None, "Failed")
    assert "Complete" in true_conditions(decide(stored_job({"parallelism": 2, "backoffLimit": 6}), pods, NOW))


def test_job_beyond_its_backoff_limit_fails_then_deletes_its_pods() -> None:
    pods = [pod(0, "Failed"), pod(1)]
    first = decide(stored_job(indexed(2)), pods, NOW)
    assert (first.delete, true_conditions(first)) == ([], ["FailureTarget"]), (
        "the condition is written before pods are deleted"
    )
    decision = decide(stored_job(indexed(2), first.status), pods, NOW, counted=first.newly_counted)
    assert decision.delete == [pods[1]]
    assert true_conditions(decision) == ["FailureTarget"]
    assert decision.status["failed"] == 2, "the remaining pods of a failed Job count as failed"
    assert decision.events == []


def test_failed_job_is_finished_when_no_pod_is_left() -> None:
    dying = stored_job(indexed(2), decide(stored_job(indexed(2)), [pod(0, "Failed"), pod(1)], NOW).status)
    waiting = decide(dying, [pod(0, "Failed"), pod(1, deleted=True)], NOW)
    assert true_conditions(waiting) == ["FailureTarget"]
    decision = decide(dying, [pod(0, "Failed")], NOW + timedelta(seconds=5))
    assert true_conditions(decision) == ["FailureTarget", "Failed"]
    assert [(entry["reason"], entry["message"]) for entry in decision.status["conditions"]] == [
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    ] * 2
    assert [(event.kind, event.reason) for event in decision.events] == [("Warning", "BackoffLimitExceeded")]
    assert is_finished({"status": decision.status})


@pytest.mark.parametrize(
    ("limit", "restarts", "fails"),
    [
        pytest.param(0, 0, False, id="no restart is no failure"),
        pytest.param(0, 1, True, id="without retries the first restart fails the Job"),
        pytest.param(3, 2, False, id="restarts below the limit are retries"),
        pytest.param(3, 3, True, id="restarts that reach the limit fail the Job"),
    ],
)
def test_container_restarts_count_as_failures(limit: int, restarts: int, fails: bool) -> None:
    spec = indexed(1, backoffLimit=limit)
    spec["template"] = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "main", "image": "none"}]}}
    decision = decide(stored_job(spec), [pod(0, restarts=restarts)], NOW)
    assert (true_conditions(decision) == ["FailureTarget"]) is fails


@pytest.mark.parametrize(
    ("running", "conditions_", "again"),
    [
        pytest.param(40, [], 20, id="requeued until its deadline"),
        pytest.param(60, ["FailureTarget"], None, id="the Job fails at its deadline"),
    ],
)
def test_active_deadline(running: int, conditions_: list[str], again: float | None) -> None:
    began = times.timestamp(NOW - timedelta(seconds=running))
    decision = decide(stored_job(indexed(1, activeDeadlineSeconds=60), {"startTime": began}), [pod(0)], NOW)
    assert true_conditions(decision) == conditions_
    assert decision.requeue_after == again


def test_deleted_job_creates_no_pods() -> None:
    dying = stored_job(indexed(2))
    dying["metadata"]["deletionTimestamp"] = times.timestamp(NOW)
    assert decide(dying, [], NOW).create == []


def test_unfinished_pods_are_limited() -> None:
    job = stored_job(indexed(100_000))
    running = [pod(index) for index in range(MAX_ACTIVE - 3)]
    assert [new.index for new in decide(job, running, NOW).create] == [997, 998, 999]
    assert decide(job, [pod(index) for index in range(MAX_ACTIVE)], NOW).create == []
