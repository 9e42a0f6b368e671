"""The policies of a Job, each by itself; how they act together is told by the scenarios of `parity`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import backoff, failure_policy, per_index, success_policy, ttl
from jupyter_trainjob.cluster.job.ledger import Ledger

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=timezone.utc)


def failed(*codes: int, name: str = "p", **more: Any) -> Object:
    """Return a failed pod whose containers a, b, … ended with these codes."""
    containers = [
        {"name": name, "state": {"terminated": {"exitCode": code, "finishedAt": times.timestamp(NOW)}}}
        for name, code in zip("abc", codes, strict=False)
    ]
    metadata = {"name": name, "namespace": "ns", "uid": name, **more.pop("metadata", {})}
    return {"metadata": metadata, "status": {"phase": "Failed", "containerStatuses": containers, **more}}


def job(status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "job", "namespace": "ns", "uid": "j"}, "spec": spec, "status": status or {}}


def codes(operator: str, *values: int, container: str | None = None) -> Object:
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
def test_a_failure_policy_says_why(rule: Object, pod: Object, message: str) -> None:
    assert failure_policy.match(job(podFailurePolicy={"rules": [rule]}), pod).message == message


@pytest.mark.parametrize(
    ("rule", "completed", "met"),
    [
        pytest.param({"succeededIndexes": "0,2-3"}, {0, 2, 3}, True, id="all indexes that are named are done"),
        pytest.param({"succeededIndexes": "0,2-3"}, {0, 2}, False, id="one index that is named is missing"),
        pytest.param({"succeededCount": 2}, {1, 3}, True, id="any so many are done"),
        pytest.param({"succeededIndexes": "0-2", "succeededCount": 2}, {1, 2}, True, id="so many of those named"),
        pytest.param({"succeededIndexes": "0-2", "succeededCount": 2}, {1, 3}, False, id="others do not count"),
        pytest.param({"succeededCount": 0}, set(), False, id="nothing is done yet"),
    ],
)
def test_a_success_policy_is_met(rule: Object, completed: set[int], met: bool) -> None:
    whole = job(completions=4, successPolicy={"rules": [rule]})
    assert success_policy.met(whole, completed) == ("Matched rules at index 0" if met else None)


def test_a_pod_carries_on_the_failures_of_the_one_that_it_replaces() -> None:
    policy = {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]}
    whole = job(backoffLimitPerIndex=3, podFailurePolicy=policy)
    before = failed(1, metadata={"annotations": {per_index.FAILURES: "1"}})
    assert per_index.counted_on(whole, None) == {per_index.FAILURES: "0"}
    assert per_index.counted_on(whole, before) == {per_index.FAILURES: "2"}
    ignored = failed(7, metadata={"annotations": {per_index.FAILURES: "1"}})
    assert per_index.counted_on(whole, ignored) == {per_index.FAILURES: "1", per_index.IGNORED: "1"}


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(1, 10.0), (2, 20.0), (6, 320.0), (7, 600.0), (1000, 600.0)],
    ids=["ten seconds", "twice as many", "and so on", "ten minutes at most", "however often"],
)
def test_the_pause_grows(failures: int, wait: float) -> None:
    assert backoff.after(failures, NOW, NOW) == wait


@pytest.mark.parametrize(
    ("spec", "ago", "left"),
    [
        pytest.param({}, 5, None, id="a finished Job stays"),
        pytest.param({"ttlSecondsAfterFinished": 60}, 5, 55, id="until its time is over"),
        pytest.param({"ttlSecondsAfterFinished": 0}, 5, -5, id="or goes at once"),
    ],
)
def test_a_finished_job_has_a_time_to_live(spec: Object, ago: int, left: float | None) -> None:
    finished = times.timestamp(NOW - timedelta(seconds=ago))
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": finished}]}
    assert ttl.seconds_left(job(done, **spec), NOW) == left


def test_a_new_ledger_takes_for_counted_what_the_status_counts() -> None:
    pods = [failed(1, name="one"), failed(1, name="two")]
    assert len(Ledger().counted(job({"failed": 1}), pods)) == 1
    assert Ledger().counted(job(), pods) == set()


def test_a_ledger_forgets_a_job() -> None:
    ledger, whole = Ledger(), job()
    ledger.settle(whole, ["one"])
    ledger.spare(whole, "two")
    ledger.forget("j")
    assert (ledger.counted(whole, []), ledger.spared(whole)) == (set(), frozenset())
