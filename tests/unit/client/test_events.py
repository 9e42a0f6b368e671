from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client.events import described, job_names

JOB = {"metadata": {"name": "a-b", "creationTimestamp": "2026-01-01T00:00:00Z"}}
JOBS = job_names("a-b", {"replicatedJobs": [{"name": "node", "replicas": 2}, {"name": "launcher"}]})


def event(kind: str, name: str, *, at: str = "2026-01-01T00:00:01Z", version: int = 1, **more: object) -> Object:
    return {
        "metadata": {"name": f"{name}.1", "resourceVersion": str(version), "creationTimestamp": at},
        "involvedObject": {"kind": kind, "name": name},
        "reason": "R",
        "message": "m",
        "lastTimestamp": at,
        **more,
    }


ABOUT = {
    "its TrainJob": ("TrainJob", "a-b", True),
    "its JobSet": ("JobSet", "a-b", True),
    "its PodGroup": ("PodGroup", "a-b", True),
    "a Job of it": ("Job", "a-b-node-1", True),
    "a Job of another replicated job": ("Job", "a-b-launcher-0", True),
    "a pod of it": ("Pod", "a-b-node-0-7-x2x4z", True),
    "a pod of it that is gone": ("Pod", "a-b-node-1-0", True),
    "a JobSet whose name goes on": ("JobSet", "a-b-node", False),
    "a Job whose name goes on": ("Job", "a-b-c-node-0", False),
    "a pod whose name goes on": ("Pod", "a-b-c-node-0-0-x2x4z", False),
    "another pod that begins as its Job": ("Pod", "a-b-node-1x-0", False),
    "another kind of its name": ("Node", "a-b", False),
}


@pytest.mark.parametrize(("kind", "name", "is_mine"), ABOUT.values(), ids=ABOUT)
def test_which_events_are_about_a_job(kind: str, name: str, is_mine: bool) -> None:
    assert bool(described([event(kind, name)], JOB, jobs=JOBS)) is is_mine


def test_events_of_an_earlier_job_of_that_name_are_not_its() -> None:
    assert described([event("TrainJob", "a-b", at="2025-12-31T23:59:59Z")], JOB, jobs=JOBS) == []


def test_events_come_oldest_first_and_in_the_order_of_their_writing_within_a_second() -> None:
    given = [
        event("Job", "a-b-node-0", version=10, reason="second"),
        event("TrainJob", "a-b", version=9, reason="first"),
        event("JobSet", "a-b", at="2026-01-01T00:00:03Z", version=2, reason="last"),
    ]
    assert [row["reason"] for row in described(given, JOB, jobs=JOBS)] == ["first", "second", "last"]


def test_an_event_is_told_in_plain_values() -> None:
    assert described([event("TrainJob", "a-b", type="Warning", count=3)], JOB, jobs=JOBS) == [
        {"time": 1767225601.0, "object": "TrainJob/a-b", "type": "Warning", "reason": "R", "message": "m", "count": 3}
    ]


def test_the_newer_way_of_counting_events_is_understood() -> None:
    series = {"count": 5, "lastObservedTime": "2026-01-01T00:00:09.500000Z"}
    new = event("TrainJob", "a-b", series=series, lastTimestamp=None, eventTime="2026-01-01T00:00:01.000000Z")
    (row,) = described([new], JOB, jobs=JOBS)
    assert (row["count"], row["time"]) == (5, 1767225609.5)
