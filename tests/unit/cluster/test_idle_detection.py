from __future__ import annotations

from dataclasses import dataclass

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.daemon.lifecycle import Decision, decide
from jupyter_trainjob.cluster.daemon.upgrade import PackageChange
from jupyter_trainjob.cluster.idle_detection import RequestActivity, is_unfinished
from jupyter_trainjob.cluster.state.cluster_settings import Settings


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_open_request_resets_idle_seconds_but_not_seconds_since_request() -> None:
    clock = Clock()
    activity = RequestActivity(clock)
    with activity:
        clock.now += 60
        assert (activity.idle_seconds, activity.seconds_since_request) == (0, 60)
    assert (activity.idle_seconds, activity.seconds_since_request) == (0, 0)
    clock.now += 5
    assert activity.idle_seconds == 5


def done(kind: str) -> list[KubeObject]:
    return [{"type": kind, "status": "True"}]


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        pytest.param("TrainJob", {"spec": {}}, True, id="a new job"),
        pytest.param("TrainJob", {"spec": {}, "status": {"conditions": done("Complete")}}, False, id="a complete job"),
        pytest.param(
            "JobSet", {"spec": {}, "status": {"conditions": done("Completed")}}, False, id="a completed JobSet"
        ),
        pytest.param(
            "Job",
            {"spec": {}, "status": {"conditions": done("FailureTarget")}},
            True,
            id="a failing Job still has pods to delete",
        ),
        pytest.param("TrainJob", {"spec": {"suspend": True}}, False, id="a suspended job needs no daemon"),
        pytest.param("Pod", {"spec": {}}, True, id="a pending pod"),
        pytest.param("Pod", {"spec": {}, "status": {"phase": "Running"}}, True, id="a running pod"),
        pytest.param("Pod", {"spec": {}, "status": {"phase": "Failed"}}, False, id="a failed pod"),
    ],
)
def test_is_unfinished(kind: str, obj: KubeObject, expected: bool) -> None:
    assert is_unfinished(kind, {"metadata": {}, **obj}) is expected


def test_object_being_deleted_is_unfinished() -> None:
    pod = {"metadata": {"deletionTimestamp": "x"}, "spec": {}, "status": {"phase": "Failed"}}
    assert is_unfinished("Pod", pod)


HALF_AN_HOUR = 1800.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """The state that a daemon finds."""

    quiet: float
    change: PackageChange = PackageChange.NONE
    watched: bool = False
    unfinished: bool = False
    minutes: float = 30


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(Case(quiet=60.0), Decision.CONTINUE, id="idle for a minute"),
        pytest.param(Case(quiet=HALF_AN_HOUR), Decision.STOP, id="idle for half an hour"),
        pytest.param(
            Case(quiet=HALF_AN_HOUR, unfinished=True), Decision.CONTINUE, id="an unfinished job keeps it running"
        ),
        pytest.param(Case(quiet=HALF_AN_HOUR, watched=True), Decision.CONTINUE, id="a watch keeps it running"),
        pytest.param(Case(quiet=10 * HALF_AN_HOUR, minutes=0), Decision.CONTINUE, id="zero disables the limit"),
        pytest.param(
            Case(change=PackageChange.REPLACED, quiet=1.0),
            Decision.CONTINUE,
            id="an upgrade waits for a pause between requests",
        ),
        pytest.param(
            Case(change=PackageChange.REPLACED, quiet=6.0, watched=True, unfinished=True),
            Decision.REPLACE,
            id="an upgrade does not wait for jobs and watches",
        ),
        pytest.param(
            Case(change=PackageChange.GONE, quiet=6.0, unfinished=True),
            Decision.STOP,
            id="a removed package ends the daemon",
        ),
    ],
)
def test_lifecycle_decision(case: Case, expected: Decision) -> None:
    clock = Clock()
    activity = RequestActivity(clock)
    if case.watched:
        activity.__enter__()
    clock.now += case.quiet
    settings = Settings(idle_minutes=case.minutes)
    assert decide(case.change, activity, settings, has_unfinished_work=lambda: case.unfinished) is expected
