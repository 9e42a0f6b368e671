"""Following a job on an in-process API server until it is settled, also if its pod was rejected."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.snapshot import LogLine, State
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.client.watching.job_follower import JobFollower, follow_job, started_follower
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import JOBSET_NAME, KUEUE_PATCH_MANAGER, KUEUE_QUEUE_LABEL, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.log_lines import PodLogLine
from tests.waiting import patience

JOB: KubeObject = {
    "metadata": {"name": "refused"},
    "spec": {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}},
}
POD: KubeObject = {
    "metadata": {"name": "refused-node-0-0-x", "labels": {JOBSET_NAME: "refused"}},
    "spec": {"containers": [{"name": "node", "image": "x"}], "nodeName": "this-computer"},
}


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    store = Store(tmp_path / "store.db")
    connection = Connection("test", Client(ApiServer(store, version="0.0.0")), "default")
    yield connection
    connection.history.close()
    store.close()


def test_job_whose_pod_was_rejected_is_settled(connection: Connection) -> None:
    client = connection.client
    job = client.create(TRAINJOBS, JOB, namespace="default")
    pod = client.create(PODS, POD, namespace="default")
    follower = JobFollower(connection, job)
    follower.start()
    assert follower.wait_synced()
    waiting: KubeObject = {"name": "node", "state": {"waiting": {"reason": "UnsupportedVolume"}}}
    status = {"phase": "Failed", "message": "there is no such volume", "containerStatuses": [waiting]}
    client.patch(PODS, pod["metadata"]["name"], {"status": status}, namespace="default", subresource="status")
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    client.patch(TRAINJOBS, "refused", {"status": {"conditions": [failed]}}, namespace="default", subresource="status")
    assert follower.wait(follower.settled, timeout=patience(60))
    failure = follower.snapshot().failure
    assert failure is not None
    assert failure.headline == "rank 0 could not run: there is no such volume"


def test_job_that_was_deleted_before_it_was_followed_is_deleted(connection: Connection) -> None:
    created = connection.client.create(TRAINJOBS, JOB, namespace="default")
    connection.client.delete(TRAINJOBS, "refused", namespace="default")
    job = TrainJob(connection, created)
    assert job.status() == "Deleted"
    with pytest.raises(errors.JobStopped):
        job.result(timeout=patience(60))


class Holder:
    """A holder of a follower."""


def test_job_has_one_follower_that_closes_without_holders_and_subscribers(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    one, other = Holder(), Holder()
    follower = follow_job(connection, job, holder=one)
    assert follow_job(connection, job, holder=other) is follower
    unsubscribe = follower.subscribe(lambda: None)
    del one, other
    gc.collect()
    assert not follower.closed.wait(0.3), "a subscriber is left"
    unsubscribe()
    follower.notify_changed()
    assert follower.closed.wait(patience(60)), "no user is left"
    last = Holder()
    again = follow_job(connection, job, holder=last)
    assert again is not follower
    assert again.state() is State.QUEUED
    again.close()


def test_job_left_suspended_by_uninstalled_kueue_can_be_stopped_and_resumed(connection: Connection) -> None:
    """Without Kueue's API nothing reverts the change."""
    held: KubeObject = {
        "metadata": {"name": "held", "labels": {KUEUE_QUEUE_LABEL: "team"}},
        "spec": {**JOB["spec"], "suspend": True, "runtimePatches": [{"manager": KUEUE_PATCH_MANAGER}]},
    }
    job = TrainJob(connection, connection.client.create(TRAINJOBS, held, namespace="default"))
    assert job.status() == State.QUEUED
    assert job.snapshot().reason == "Kueue holds it in the queue 'team'"
    job.stop()
    assert job.status() == State.STOPPED
    job.resume()
    assert not connection.client.get(TRAINJOBS, "held", namespace="default")["spec"]["suspend"]
    assert job.status() == State.QUEUED
    job.delete()


def test_closed_follower_reports_a_deletion_once(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    holder = Holder()
    follower = follow_job(connection, job, holder=holder)
    done = {"type": "Complete", "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    connection.client.patch(
        TRAINJOBS, "refused", {"status": {"conditions": [done]}}, namespace="default", subresource="status"
    )
    assert follower.closed.wait(patience(60))
    notified: list[State] = []
    follower.subscribe(lambda: notified.append(follower.state()))
    assert started_follower(connection, follower.uid) is follower
    follower.mark_deleted()
    follower.mark_deleted()
    assert notified == [State.DELETED]


def test_failing_subscriber_does_not_stop_the_others(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    follower = JobFollower(connection, job)
    notified = threading.Event()

    def fail() -> None:
        raise RuntimeError("a view is broken")

    follower.subscribe(fail)
    follower.subscribe(notified.set)
    follower.start()
    for _ in range(2):
        assert notified.wait(patience(60))
        notified.clear()
        follower.notify_changed()
    follower.close()


def test_stream_that_is_closed_early_is_unregistered(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    holder = Holder()
    follower = follow_job(connection, job, holder=holder)
    pod: KubeObject = {"metadata": {"uid": "pod"}}
    follower._pods["pod"] = pod
    follower.add_line(pod, PodLogLine("2026-01-01T00:00:00.000000000Z", 0, b"a"))
    lines = follower.log.stream()
    assert next(lines).text == "a"
    cast("Generator[LogLine, None, None]", lines).close()
    assert not follower.log.is_streamed
    follower.close()
