from __future__ import annotations

from dataclasses import dataclass

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.idle import Activity, is_unfinished
from jupyter_trainjob.cluster.life import Verdict, judge
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.upgrade import Change


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_request_that_goes_on_is_activity_for_idleness_but_not_for_a_calm_moment() -> None:
    clock = Clock()
    activity = Activity(clock)
    with activity:
        clock.now += 60
        assert (activity.quiet_seconds, activity.unasked_seconds) == (0, 60)
    assert (activity.quiet_seconds, activity.unasked_seconds) == (0, 0)
    clock.now += 5
    assert activity.quiet_seconds == 5


def done(kind: str) -> list[Object]:
    return [{"type": kind, "status": "True"}]


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        pytest.param("TrainJob", {"spec": {}}, True, id="a new job has everything before it"),
        pytest.param(
            "TrainJob", {"spec": {}, "status": {"conditions": done("Complete")}}, False, id="a complete one is done"
        ),
        pytest.param(
            "JobSet", {"spec": {}, "status": {"conditions": done("Completed")}}, False, id="JobSets say Completed"
        ),
        pytest.param(
            "Job",
            {"spec": {}, "status": {"conditions": done("FailureTarget")}},
            True,
            id="a Job that fails still ends pods",
        ),
        pytest.param("TrainJob", {"spec": {"suspend": True}}, False, id="a stopped job waits without a daemon"),
        pytest.param("Pod", {"spec": {}}, True, id="a pod that waits for a node wants one"),
        pytest.param("Pod", {"spec": {}, "status": {"phase": "Running"}}, True, id="a running pod needs its agent"),
        pytest.param("Pod", {"spec": {}, "status": {"phase": "Failed"}}, False, id="a failed pod does not"),
    ],
)
def test_what_keeps_a_daemon(kind: str, obj: Object, expected: bool) -> None:
    assert is_unfinished(kind, {"metadata": {}, **obj}) is expected


def test_what_is_being_deleted_keeps_a_daemon() -> None:
    pod = {"metadata": {"deletionTimestamp": "x"}, "spec": {}, "status": {"phase": "Failed"}}
    assert is_unfinished("Pod", pod)


HALF_AN_HOUR = 1800.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a daemon finds."""

    quiet: float
    change: Change = Change.NONE
    watched: bool = False
    unfinished: bool = False
    minutes: float = 30


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(Case(quiet=60.0), Verdict.STAY, id="a minute is not long"),
        pytest.param(Case(quiet=HALF_AN_HOUR), Verdict.END, id="half an hour of nothing ends it"),
        pytest.param(Case(quiet=HALF_AN_HOUR, unfinished=True), Verdict.STAY, id="a job keeps it however long"),
        pytest.param(Case(quiet=HALF_AN_HOUR, watched=True), Verdict.STAY, id="a watch keeps it"),
        pytest.param(Case(quiet=10 * HALF_AN_HOUR, minutes=0), Verdict.STAY, id="zero lifts the limit"),
        pytest.param(Case(change=Change.REPLACED, quiet=1.0), Verdict.STAY, id="an upgrade waits for a calm moment"),
        pytest.param(
            Case(change=Change.REPLACED, quiet=6.0, watched=True, unfinished=True),
            Verdict.MAKE_WAY,
            id="but for no job and no watch",
        ),
        pytest.param(
            Case(change=Change.GONE, quiet=6.0, unfinished=True),
            Verdict.END,
            id="without its package it can start nothing",
        ),
    ],
)
def test_what_a_daemon_does_about_itself(case: Case, expected: Verdict) -> None:
    clock = Clock()
    activity = Activity(clock)
    if case.watched:
        activity.__enter__()
    clock.now += case.quiet
    settings = Settings(idle_minutes=case.minutes)
    assert judge(case.change, activity, settings, anything_unfinished=lambda: case.unfinished) is expected
