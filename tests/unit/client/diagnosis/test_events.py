from __future__ import annotations

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.diagnosis.events import child_job_names, is_false_alarm, select_events

JOB = {"metadata": {"name": "a-b", "creationTimestamp": "2026-01-01T00:00:00Z"}}
JOBS = child_job_names("a-b", {"replicatedJobs": [{"name": "node", "replicas": 2}, {"name": "launcher"}]})


def event(kind: str, name: str, *, at: str = "2026-01-01T00:00:01Z", version: int = 1, **more: object) -> KubeObject:
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
    "a Job of the JobSet": ("Job", "a-b-node-1", True),
    "a Job of another replicated job": ("Job", "a-b-launcher-0", True),
    "a pod of the JobSet": ("Pod", "a-b-node-0-7-x2x4z", True),
    "a deleted pod of the JobSet": ("Pod", "a-b-node-1-0", True),
    "a JobSet with a longer name": ("JobSet", "a-b-node", False),
    "a Job with a longer name": ("Job", "a-b-c-node-0", False),
    "a pod with a longer name": ("Pod", "a-b-c-node-0-0-x2x4z", False),
    "another pod that begins as its Job": ("Pod", "a-b-node-1x-0", False),
    "another kind with its name": ("Node", "a-b", False),
}


@pytest.mark.parametrize(("kind", "name", "is_mine"), ABOUT.values(), ids=ABOUT)
def test_select_events_by_involved_object(kind: str, name: str, is_mine: bool) -> None:
    assert bool(select_events([event(kind, name)], JOB, jobs=JOBS)) is is_mine


def test_events_of_an_earlier_job_with_the_same_name_are_left_out() -> None:
    assert select_events([event("TrainJob", "a-b", at="2025-12-31T23:59:59Z")], JOB, jobs=JOBS) == []


def test_events_are_ordered_by_time_and_then_by_resource_version() -> None:
    events = [
        event("Job", "a-b-node-0", version=10, reason="second"),
        event("TrainJob", "a-b", version=9, reason="first"),
        event("JobSet", "a-b", at="2026-01-01T00:00:03Z", version=2, reason="last"),
    ]
    assert [row["reason"] for row in select_events(events, JOB, jobs=JOBS)] == ["first", "second", "last"]


def test_event_is_returned_as_plain_values() -> None:
    assert select_events([event("TrainJob", "a-b", type="Warning", count=3)], JOB, jobs=JOBS) == [
        {"time": 1767225601.0, "object": "TrainJob/a-b", "type": "Warning", "reason": "R", "message": "m", "count": 3}
    ]


ALARMS = {
    "Trainer has no template to empty after a preemption": (
        "TrainJobResourcesCreationFailed",
        'JobSet.jobset.x-k8s.io "a-b" is invalid: spec.template.metadata: Invalid value: "null": must be an object',
        True,
    ),
    "another refusal of that JobSet": ("TrainJobResourcesCreationFailed", "field is immutable", False),
    "another warning": ("FailedCreate", 'template.metadata: Invalid value: "null"', False),
}


@pytest.mark.parametrize(("reason", "message", "is_none"), ALARMS.values(), ids=ALARMS)
def test_is_false_alarm(reason: str, message: str, is_none: bool) -> None:
    (row,) = select_events([event("TrainJob", "a-b", reason=reason, message=message)], JOB, jobs=JOBS)
    assert is_false_alarm(row) is is_none


def test_count_and_time_are_read_from_an_event_series() -> None:
    series = {"count": 5, "lastObservedTime": "2026-01-01T00:00:09.500000Z"}
    new = event("TrainJob", "a-b", series=series, lastTimestamp=None, eventTime="2026-01-01T00:00:01.000000Z")
    (row,) = select_events([new], JOB, jobs=JOBS)
    assert (row["count"], row["time"]) == (5, 1767225609.5)
