"""The policies of a Job, each on its own; the scenarios of `parity` test them in combination."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import backoff_per_index, job_success_policy, job_ttl, pod_backoff, pod_failure_policy
from jupyter_trainjob.cluster.job.counted_pods import CountedPods

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=timezone.utc)


def failed(*codes: int, name: str = "p", **more: Any) -> KubeObject:
    """Return a failed pod whose containers a, b, … ended with these codes."""
    containers = [
        {"name": name, "state": {"terminated": {"exitCode": code, "finishedAt": times.timestamp(NOW)}}}
        for name, code in zip("abc", codes, strict=False)
    ]
    metadata = {"name": name, "namespace": "ns", "uid": name, **more.pop("metadata", {})}
    return {"metadata": metadata, "status": {"phase": "Failed", "containerStatuses": containers, **more}}


def job(status: KubeObject | None = None, **spec: Any) -> KubeObject:
    return {"metadata": {"name": "job", "namespace": "ns", "uid": "j"}, "spec": spec, "status": status or {}}


def codes(operator: str, *values: int, container: str | None = None) -> KubeObject:
    named = {} if container is None else {"containerName": container}
    return {"action": "FailJob", "onExitCodes": {"operator": operator, "values": list(values), **named}}


@pytest.mark.parametrize(
    ("rule", "pod", "message"),
    [
        pytest.param(
            codes("In", 42),
            failed(0, 42),
            "Container b for pod ns/p failed with exit code 42 matching FailJob rule at index 0",
            id="a code that is listed matches in any container",
        ),
        pytest.param(codes("In", 42), failed(1), "", id="a code that is not listed does not match"),
        pytest.param(codes("NotIn", 42), failed(0), "", id="success never matches"),
        pytest.param(
            codes("NotIn", 42),
            failed(7),
            "Container a for pod ns/p failed with exit code 7 matching FailJob rule at index 0",
            id="a code that is not excluded matches",
        ),
        pytest.param(codes("In", 42, container="a"), failed(0, 42), "", id="only the container that is named counts"),
        pytest.param(
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            failed(1, conditions=[{"type": "DisruptionTarget", "status": "True"}]),
            "Pod ns/p has condition DisruptionTarget matching FailJob rule at index 0",
            id="a condition matches",
        ),
        pytest.param(
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            failed(1, conditions=[{"type": "DisruptionTarget", "status": "False"}]),
            "",
            id="a condition of another status does not match",
        ),
    ],
)
def test_failure_policy_matches_with_a_message(rule: KubeObject, pod: KubeObject, message: str) -> None:
    assert pod_failure_policy.match_failure_policy(job(podFailurePolicy={"rules": [rule]}), pod).message == message


@pytest.mark.parametrize(
    ("rule", "completed", "matches"),
    [
        pytest.param({"succeededIndexes": "0,2-3"}, {0, 2, 3}, True, id="all indexes that are named are done"),
        pytest.param({"succeededIndexes": "0,2-3"}, {0, 2}, False, id="one index that is named is missing"),
        pytest.param({"succeededCount": 2}, {1, 3}, True, id="any so many are done"),
        pytest.param({"succeededIndexes": "0-2", "succeededCount": 2}, {1, 2}, True, id="so many of those named"),
        pytest.param({"succeededIndexes": "0-2", "succeededCount": 2}, {1, 3}, False, id="others do not count"),
        pytest.param({"succeededCount": 0}, set(), False, id="no completed index"),
    ],
)
def test_success_policy_matches(rule: KubeObject, completed: set[int], matches: bool) -> None:
    indexed_job = job(completions=4, successPolicy={"rules": [rule]})
    assert job_success_policy.match_success_policy(indexed_job, completed) == (
        "Matched rules at index 0" if matches else None
    )


def test_replacement_pod_inherits_the_failure_count() -> None:
    policy = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]}
    indexed_job = job(backoffLimitPerIndex=3, podFailurePolicy=policy)
    failed_pod = failed(1, metadata={"annotations": {backoff_per_index.FAILURE_COUNT: "1"}})
    assert backoff_per_index.failure_annotations(indexed_job, None) == {backoff_per_index.FAILURE_COUNT: "0"}
    assert backoff_per_index.failure_annotations(indexed_job, failed_pod) == {backoff_per_index.FAILURE_COUNT: "2"}
    ignored = failed(7, metadata={"annotations": {backoff_per_index.FAILURE_COUNT: "1"}})
    assert backoff_per_index.failure_annotations(indexed_job, ignored) == {
        backoff_per_index.FAILURE_COUNT: "1",
        backoff_per_index.IGNORED_FAILURE_COUNT: "1",
    }


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(1, 10.0), (2, 20.0), (6, 320.0), (7, 600.0), (1000, 600.0)],
    ids=["first failure", "second", "sixth", "maximum", "no overflow"],
)
def test_back_off_doubles_up_to_a_maximum(failures: int, wait: float) -> None:
    assert pod_backoff.remaining_backoff(failures, NOW, NOW) == wait


@pytest.mark.parametrize(
    ("spec", "ago", "seconds"),
    [
        pytest.param({}, 5, None, id="a finished Job stays"),
        pytest.param({"ttlSecondsAfterFinished": 60}, 5, 55, id="seconds until its TTL expires"),
        pytest.param({"ttlSecondsAfterFinished": 0}, 5, -5, id="a TTL of zero is overdue"),
    ],
)
def test_ttl_of_a_finished_job(spec: KubeObject, ago: int, seconds: float | None) -> None:
    finished = times.timestamp(NOW - timedelta(seconds=ago))
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": finished}]}
    assert job_ttl.seconds_to_deletion(job(done, **spec), NOW) == seconds


def test_counted_pods_start_with_the_counts_of_the_status() -> None:
    pods = [failed(1, name="one"), failed(1, name="two")]
    assert len(CountedPods().counted(job({"failed": 1}), pods)) == 1
    assert CountedPods().counted(job(), pods) == set()


def test_counted_pods_of_a_job_can_be_forgotten() -> None:
    counted_pods, indexed_job = CountedPods(), job()
    counted_pods.mark_counted(indexed_job, ["one"])
    counted_pods.mark_exempt(indexed_job, "two")
    counted_pods.forget("j")
    assert (counted_pods.counted(indexed_job, []), counted_pods.exempt(indexed_job)) == (set(), frozenset())
