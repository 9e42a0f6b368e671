"""A board over an API server in process: every job of a namespace, from two watches and what is kept already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, Object
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.client import board as module
from jupyter_trainjob.client.board import Board
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.derive import derive
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import JOBSET_NAME, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.metrics.loglines import parse
from jupyter_trainjob.worker.messages import METRICS
from jupyter_trainjob.worker.protocol import dumps, encode
from tests.embedded import wait_for


class Counting:
    """A transport that counts requests."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.count = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        self.count += 1
        return self._core.send(request, timeout=timeout)


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Counting]:
    store = Store(tmp_path / "store.db")
    yield Counting(Core(store, version="0.0.0"))
    store.close()


@pytest.fixture
def connection(transport: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    found = Connection("test", Client(transport), "default")
    yield found
    found.history.close()


def job(connection: Connection, name: str) -> Object:
    """Create a job."""
    body: Object = {"metadata": {"name": name}, "spec": {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}}
    return connection.client.create(TRAINJOBS, body, namespace="default")


def end(connection: Connection, name: str, condition: str) -> None:
    """Let a job be over."""
    done = {"type": condition, "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    connection.client.patch(
        TRAINJOBS, name, {"status": {"conditions": [done]}}, namespace="default", subresource="status"
    )


def run(connection: Connection, name: str) -> None:
    """Let a job's pod run."""
    spec: Object = {"containers": [{"name": "node", "image": "x"}], "nodeName": "this-computer"}
    pod: Object = {"metadata": {"name": f"{name}-node-0-0-x", "labels": {JOBSET_NAME: name}}, "spec": spec}
    connection.client.create(PODS, pod, namespace="default")
    connection.client.patch(
        PODS, pod["metadata"]["name"], {"status": {"phase": "Running"}}, namespace="default", subresource="status"
    )


def keep(connection: Connection, uid: str, *, step: int) -> None:
    """Let another process have read a report."""
    said = {"time": [1.0], "step": [float(step)], "total": 10, "metrics": {"loss": [0.5]}}
    (frame,) = encode(attempt=0, rank=0, seq=step, kind=METRICS, body=dumps(said))
    connection.history.add(uid, "pod", 0, parse([b"2026-01-01T00:00:0%d.000000000Z %s" % (step, frame.strip())]))


def test_the_jobs_of_a_namespace_are_asked_for_twice_whatever_their_number(
    connection: Connection, transport: Counting
) -> None:
    for number in range(30):
        job(connection, f"job-{number}")
    board = Board(connection, "default")
    transport.count = 0
    assert len(board.snapshots()) == 30
    assert transport.count == 2
    unsubscribe = board.subscribe(lambda: None)
    wait_for(lambda: board.synced)
    assert len(board.snapshots()) == 30
    assert transport.count == 6, "a list and a watch of each kind"
    for _ in range(5):
        board.snapshots()
    assert transport.count == 6
    unsubscribe()


def test_what_happens_is_told_and_what_is_kept_is_shown(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REREAD", 0.0)
    uid = job(connection, "one")["metadata"]["uid"]
    board, told = Board(connection, "default"), []
    unsubscribe = board.subscribe(lambda: told.append(1))
    assert [each.state for each in board.snapshots()] == [State.QUEUED]
    run(connection, "one")
    wait_for(lambda: board.snapshots()[0].state is State.RUNNING)
    assert told
    for step in (3, 7):
        keep(connection, uid, step=step)
        (running,) = board.snapshots()
        assert (running.progress, running.metrics) == (step / 10, {"loss": 0.5})
    end(connection, "one", "Complete")
    wait_for(lambda: board.snapshots()[0].state is State.COMPLETE)
    connection.client.delete(TRAINJOBS, "one", namespace="default", uid=uid)
    wait_for(lambda: board.snapshots() == [])
    unsubscribe()


def test_only_a_job_that_has_changed_is_derived_again(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REREAD", 0.0)
    derived: list[str] = []

    def noting(trainjob: Object, *args: Any, **more: Any) -> Snapshot:
        derived.append(trainjob["metadata"]["name"])
        return derive(trainjob, *args, **more)

    monkeypatch.setattr(module, "derive", noting)
    client = connection.client
    uids = {name: job(connection, name)["metadata"]["uid"] for name in ("one", "two", "three")}
    board = Board(connection, "default")

    def look() -> dict[str, Snapshot]:
        derived.clear()
        return {each.name: each for each in board.snapshots()}

    look()
    assert sorted(derived) == ["one", "three", "two"]
    look()
    assert derived == []
    run(connection, "one")  # A pod that comes,
    assert look()["one"].state is State.RUNNING
    assert derived == ["one"]
    failed = {"status": {"phase": "Failed"}}
    client.patch(PODS, "one-node-0-0-x", failed, namespace="default", subresource="status")  # changes,
    assert look()["one"].ranks_running == 0
    assert derived == ["one"]
    client.delete(PODS, "one-node-0-0-x", namespace="default")  # and goes;
    assert look()["one"].state is State.QUEUED
    assert derived == ["one"]
    client.patch(TRAINJOBS, "two", {"spec": {"suspend": True}}, namespace="default")  # the job itself;
    assert look()["two"].state is State.SUSPENDED
    assert derived == ["two"]
    run(connection, "three")
    look()
    keep(connection, uids["three"], step=5)  # what it reports;
    assert look()["three"].step == 5
    assert derived == ["three"]
    end(connection, "three", "Complete")  # its end.
    assert look()["three"].state is State.COMPLETE
    assert derived == ["three"]
    client.delete(TRAINJOBS, "two", namespace="default", uid=uids["two"])
    assert set(look()) == {"one", "three"}
    assert derived == []
    assert set(board._known) == {uids["one"], uids["three"]}, "nothing is kept of a job that is gone"
    another = job(connection, "two")["metadata"]["uid"]
    assert look()["two"].uid == another
    assert derived == ["two"]


def test_what_a_log_says_of_a_job_that_nobody_follows_is_seen(connection: Connection) -> None:
    uid = job(connection, "one")["metadata"]["uid"]
    run(connection, "one")
    board = Board(connection, "default")
    assert board.snapshots()[0].step is None
    (pod,) = connection.client.list(PODS, namespace="default").items
    said = {"time": [1.0], "step": [4.0], "total": 10, "metrics": {"loss": [0.5]}}
    (frame,) = encode(attempt=0, rank=0, seq=1, kind=METRICS, body=dumps(said))

    class Logs:
        """The logs of a pod, which the API server in process has none of."""

        def logs(self, *_: object, **__: object) -> list[bytes]:
            return [b"2026-01-01T00:00:01.000000000Z " + frame.strip()]

    board._known_of(uid).look(cast("Client", Logs()), pod)
    assert board.snapshots()[0].step == 4


def test_a_job_is_found_by_its_uid_or_said_to_be_gone(connection: Connection) -> None:
    uid = job(connection, "one")["metadata"]["uid"]
    board = Board(connection, "default")
    assert board.find(uid).name == "one"
    with pytest.raises(errors.UsageError, match="not in default on test any more"):
        board.find("another")


def test_two_panels_share_the_watches_and_the_last_one_ends_them(connection: Connection) -> None:
    board = Board(connection, "default")
    first, second = board.subscribe(lambda: None), board.subscribe(lambda: None)
    watch = board._jobs
    first()
    assert board._jobs is watch
    second()
    second()
    assert board._jobs is None
    assert watch is not None
    assert not watch.wait_synced(0), "it was stopped"
