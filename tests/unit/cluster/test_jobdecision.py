"""What a Job needs next, for every state that its pods can be in."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest

from jupyter_trainjob.api import conditions, defaults, times
from jupyter_trainjob.api.resources import JOBS, Object
from jupyter_trainjob.cluster.job.decision import Decision, decide, is_finished
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX

from .world import indexed, job

_UIDS = count()
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=timezone.utc)


def made(spec: Object, status: Object | None = None) -> Object:
    """Return a Job as the API server stores it."""
    whole = job("job", **spec)
    whole["metadata"] |= {"uid": "job-uid", "resourceVersion": "7"}
    return {**defaults.apply(JOBS, whole), "status": status or {}}


def pod(index: int | None = None, phase: str = "Running", *, ended: int = 0, **more: Any) -> Object:
    """Return a pod; `ended` says how many seconds ago its container did."""
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
    status: Object = {"phase": phase}
    if phase in {"Succeeded", "Failed"}:
        finished = times.timestamp(NOW - timedelta(seconds=ended))
        status["containerStatuses"] = [{"name": "main", "state": {"terminated": {"finishedAt": finished}}}]
    elif "restarts" in more:
        status["containerStatuses"] = [{"name": "main", "restartCount": more["restarts"]}]
    if more.get("ready"):
        status["conditions"] = [{"type": "Ready", "status": "True"}]
    return {"metadata": metadata, "spec": {"nodeName": more.get("node", "n")}, "status": status}


def true_conditions(decision: Decision) -> list[str]:
    """Return what the new status says is so, in its order."""
    return [one["type"] for one in decision.status.get("conditions", []) if one["status"] == "True"]


@pytest.mark.parametrize(
    ("spec", "pods", "create"),
    [
        pytest.param(indexed(3), [], [0, 1, 2], id="a new Indexed Job gets a pod for each index"),
        pytest.param(indexed(4, parallelism=2), [], [0, 1], id="no more pods at a time than its parallelism"),
        pytest.param(indexed(3), [pod(0), pod(2)], [1], id="an index without a pod gets one"),
        pytest.param(indexed(3), [pod(0, "Succeeded"), pod(1), pod(2)], [], id="an index that is done gets none"),
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
            id="a pod that goes is replaced once it is gone where the Job says so",
        ),
        pytest.param(
            indexed(1, backoffLimit=3),
            [pod(0, "Failed", ended=11)],
            [0],
            id="a failed pod is replaced after ten seconds",
        ),
    ],
)
def test_pods_are_made(spec: Object, pods: list[Object], create: list[int | None]) -> None:
    decision = decide(made(spec), pods, NOW)
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
            id="a success begins the count again",
        ),
        pytest.param([pod(0, deleted=True), pod(1)], 10, id="a pod that somebody deletes has failed"),
    ],
)
def test_a_failed_pod_is_replaced_after_a_pause(pods: list[Object], wait: float) -> None:
    decision = decide(made(indexed(2, backoffLimit=6)), pods, NOW)
    assert decision.create == []
    assert decision.again == wait


def test_a_suspended_job_loses_its_pods_and_says_so() -> None:
    pods = [pod(0), pod(1)]
    decision = decide(made(indexed(2, suspend=True), {"startTime": "2026-05-04T11:00:00Z"}), pods, NOW)
    assert decision.delete == pods
    assert true_conditions(decision) == ["Suspended"]
    assert "startTime" not in decision.status
    assert [note.reason for note in decision.notes] == ["Suspended"]


def test_a_resumed_job_says_so_and_starts_anew() -> None:
    suspended = decide(made(indexed(1, suspend=True)), [], NOW).status
    decision = decide(made(indexed(1), suspended), [], NOW + timedelta(seconds=60))
    condition = conditions.find(decision.status["conditions"], "Suspended")
    assert condition is not None
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "JobResumed", "Job resumed")
    assert condition["lastTransitionTime"] == decision.status["startTime"] == "2026-05-04T12:01:00Z"


def test_surplus_pods_that_have_come_least_far_are_deleted() -> None:
    waiting, running = pod(1, "Pending", node=""), pod(0)
    decision = decide(made({"parallelism": 1, "completions": 5}), [running, waiting], NOW)
    assert decision.delete == [waiting]


def test_a_second_pod_for_an_index_is_deleted() -> None:
    first, second = pod(0, name="first", ready=True), pod(0, "Pending", name="second")
    assert decide(made(indexed(1)), [second, first], NOW).delete == [second]


def test_counts_are_those_of_the_pods() -> None:
    pods = [pod(0, "Succeeded"), pod(1, "Succeeded"), pod(2, ready=True), pod(3), pod(4, deleted=True)]
    status = decide(made(indexed(6, parallelism=2)), pods, NOW).status
    names = ("active", "ready", "succeeded", "terminating", "completedIndexes", "startTime")
    assert [status[name] for name in names] == [2, 1, 2, 1, "0,1", "2026-05-04T12:00:00Z"]
    assert status["failed"] == 1, "a pod that somebody deletes has failed"


@pytest.mark.parametrize(
    ("spec", "before", "after"),
    [
        pytest.param(indexed(3), {"completedIndexes": "0,1", "succeeded": 2}, ("0,1", 2), id="with indexes"),
        pytest.param({"completions": 3, "parallelism": 1}, {"succeeded": 2}, (None, 2), id="without indexes"),
    ],
)
def test_a_success_counts_after_its_pod_is_gone(spec: Object, before: Object, after: tuple[str | None, int]) -> None:
    decision = decide(made(spec, before), [], NOW)
    assert (decision.status.get("completedIndexes"), decision.status["succeeded"]) == after
    assert len(decision.create) == 1


def test_a_failure_counts_after_its_pod_is_gone() -> None:
    assert true_conditions(decide(made(indexed(1), {"failed": 1}), [], NOW)) == ["FailureTarget", "Failed"]


def test_a_job_is_complete_when_every_index_is_done() -> None:
    decision = decide(made(indexed(2)), [pod(0, "Succeeded"), pod(1, "Succeeded")], NOW)
    assert true_conditions(decision) == ["SuccessCriteriaMet", "Complete"]
    said = {(one["reason"], one["message"]) for one in decision.status["conditions"]}
    assert said == {("CompletionsReached", "Reached expected number of succeeded pods")}
    assert decision.status["completionTime"] == "2026-05-04T12:00:00Z"
    assert [(note.reason, note.message) for note in decision.notes] == [("Completed", "Job completed")]


def test_a_job_without_completions_is_complete_with_its_last_pod_after_a_success() -> None:
    pods = [pod(None, "Succeeded"), pod(None)]
    assert true_conditions(decide(made({"parallelism": 2}), pods, NOW)) == []
    pods[1] = pod(None, "Failed")
    assert "Complete" in true_conditions(decide(made({"parallelism": 2, "backoffLimit": 6}), pods, NOW))


def test_a_job_fails_with_its_first_failure_beyond_the_limit_and_then_deletes_the_others() -> None:
    pods = [pod(0, "Failed"), pod(1)]
    said = decide(made(indexed(2)), pods, NOW)
    assert (said.delete, true_conditions(said)) == ([], ["FailureTarget"]), "what is said first is not lost with a pod"
    decision = decide(made(indexed(2), said.status), pods, NOW, counted=said.settled)
    assert decision.delete == [pods[1]]
    assert true_conditions(decision) == ["FailureTarget"]
    assert decision.status["failed"] == 2, "pods that a failed Job takes with it have failed, too"
    assert decision.notes == []


def test_a_failed_job_is_finished_once_no_pod_is_left() -> None:
    dying = made(indexed(2), decide(made(indexed(2)), [pod(0, "Failed"), pod(1)], NOW).status)
    waiting = decide(dying, [pod(0, "Failed"), pod(1, deleted=True)], NOW)
    assert true_conditions(waiting) == ["FailureTarget"]
    decision = decide(dying, [pod(0, "Failed")], NOW + timedelta(seconds=5))
    assert true_conditions(decision) == ["FailureTarget", "Failed"]
    assert [(one["reason"], one["message"]) for one in decision.status["conditions"]] == [
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    ] * 2
    assert [(note.kind, note.reason) for note in decision.notes] == [("Warning", "BackoffLimitExceeded")]
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
def test_containers_that_restart_count_as_failures(limit: int, restarts: int, fails: bool) -> None:
    spec = indexed(1, backoffLimit=limit)
    spec["template"] = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "main", "image": "none"}]}}
    decision = decide(made(spec), [pod(0, restarts=restarts)], NOW)
    assert (true_conditions(decision) == ["FailureTarget"]) is fails


@pytest.mark.parametrize(
    ("running", "conditions_", "again"),
    [
        pytest.param(40, [], 20, id="before its deadline it is looked at again at its deadline"),
        pytest.param(60, ["FailureTarget"], None, id="at its deadline it fails"),
    ],
)
def test_a_job_has_a_deadline(running: int, conditions_: list[str], again: float | None) -> None:
    began = times.timestamp(NOW - timedelta(seconds=running))
    decision = decide(made(indexed(1, activeDeadlineSeconds=60), {"startTime": began}), [pod(0)], NOW)
    assert true_conditions(decision) == conditions_
    assert decision.again == again


def test_a_job_that_is_being_deleted_gets_no_more_pods() -> None:
    dying = made(indexed(2))
    dying["metadata"]["deletionTimestamp"] = times.timestamp(NOW)
    assert decide(dying, [], NOW).create == []
