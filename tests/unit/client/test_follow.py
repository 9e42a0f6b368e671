"""Following a job over an API server in process: it comes to an end, also where a pod was refused and never ran."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import pytest

from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Object
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.follow import Follower, follow, known
from jupyter_trainjob.client.snapshot import LogLine, State
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import JOBSET_NAME, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.loglines import Line

JOB: Object = {
    "metadata": {"name": "refused"},
    "spec": {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}},
}
POD: Object = {
    "metadata": {"name": "refused-node-0-0-x", "labels": {JOBSET_NAME: "refused"}},
    "spec": {"containers": [{"name": "node", "image": "x"}], "nodeName": "this-computer"},
}


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    store = Store(tmp_path / "store.db")
    found = Connection("test", Client(Core(store, version="0.0.0")), "default")
    yield found
    found.history.close()
    store.close()


def test_a_job_whose_pod_was_refused_is_settled(connection: Connection) -> None:
    client = connection.client
    job = client.create(TRAINJOBS, JOB, namespace="default")
    pod = client.create(PODS, POD, namespace="default")
    follower = Follower(connection, job)
    follower.start()
    assert follower.synced()
    waiting: Object = {"name": "node", "state": {"waiting": {"reason": "UnsupportedVolume"}}}
    status = {"phase": "Failed", "message": "there is no such volume", "containerStatuses": [waiting]}
    client.patch(PODS, pod["metadata"]["name"], {"status": status}, namespace="default", subresource="status")
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    client.patch(TRAINJOBS, "refused", {"status": {"conditions": [failed]}}, namespace="default", subresource="status")
    assert follower.wait(follower.settled, timeout=60)
    found = follower.snapshot().failure
    assert found is not None
    assert found.headline == "rank 0 could not run: there is no such volume"


class Holder:
    """Somebody who wants to know of a job."""


def test_a_job_is_followed_once_and_only_for_as_long_as_somebody_wants_to_know(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    one, other = Holder(), Holder()
    follower = follow(connection, job, holder=one)
    assert follow(connection, job, holder=other) is follower
    unsubscribe = follower.subscribe(lambda: None)
    del one, other
    gc.collect()
    assert not follower.closed.wait(0.3), "a view is left"
    unsubscribe()
    follower.touch()
    assert follower.closed.wait(60), "nobody is left"
    last = Holder()
    again = follow(connection, job, holder=last)
    assert again is not follower
    assert again.state() is State.QUEUED
    again.close()


def test_a_job_that_was_deleted_after_its_end_is_known_to_be(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    holder = Holder()
    follower = follow(connection, job, holder=holder)
    done = {"type": "Complete", "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    connection.client.patch(
        TRAINJOBS, "refused", {"status": {"conditions": [done]}}, namespace="default", subresource="status"
    )
    assert follower.closed.wait(20)
    told: list[State] = []
    follower.subscribe(lambda: told.append(follower.state()))
    assert known(connection, follower.uid) is follower
    follower.gone()
    follower.gone()
    assert told == [State.DELETED]


def test_a_watcher_that_fails_keeps_nobody_else_from_the_news(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    follower = Follower(connection, job)
    told = threading.Event()

    def fail() -> None:
        raise RuntimeError("a view is broken")

    follower.subscribe(fail)
    follower.subscribe(told.set)
    follower.start()
    for _ in range(2):
        assert told.wait(60)
        told.clear()
        follower.touch()
    follower.close()


def test_who_stops_reading_the_log_early_is_forgotten(connection: Connection) -> None:
    job = connection.client.create(TRAINJOBS, JOB, namespace="default")
    holder = Holder()
    follower = follow(connection, job, holder=holder)
    pod: Object = {"metadata": {"uid": "pod"}}
    follower._pods["pod"] = pod
    follower.take(pod, Line("2026-01-01T00:00:00.000000000Z", 0, b"a"))
    lines = follower.lines()
    assert next(lines).text == "a"
    cast("Generator[LogLine, None, None]", lines).close()
    assert follower._listeners == []
    follower.close()
