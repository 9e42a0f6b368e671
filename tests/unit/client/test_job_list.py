"""The list of a namespace's jobs, from two watches and stored reports, on an in-process API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.client import job_list as module
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.job_list import JobList
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.client.state.derive import derive_snapshot
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import JOB_COMPLETION_INDEX, JOBSET_NAME, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.metrics.log_lines import parse_lines
from jupyter_trainjob.worker.output.messages import METRICS
from jupyter_trainjob.worker.protocol import dumps, encode
from tests.waiting import wait_for


class Counting:
    """A transport that counts requests."""

    def __init__(self, core: ApiServer) -> None:
        self._core = core
        self.count = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        self.count += 1
        return self._core.send(request, timeout=timeout)


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Counting]:
    store = Store(tmp_path / "store.db")
    yield Counting(ApiServer(store, version="0.0.0"))
    store.close()


@pytest.fixture
def connection(transport: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    connection = Connection("test", Client(transport), "default")
    yield connection
    connection.history.close()


def job(connection: Connection, name: str, *, nodes: int = 1) -> KubeObject:
    """Create a job."""
    spec: KubeObject = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": nodes}}
    body: KubeObject = {"metadata": {"name": name}, "spec": spec}
    return connection.client.create(TRAINJOBS, body, namespace="default")


def end(connection: Connection, name: str, condition: str) -> None:
    """Set a final condition of a job."""
    done = {"type": condition, "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
    connection.client.patch(
        TRAINJOBS, name, {"status": {"conditions": [done]}}, namespace="default", subresource="status"
    )


def run(connection: Connection, name: str, *, index: int = 0) -> None:
    """Create a running pod of a job."""
    spec: KubeObject = {"containers": [{"name": "node", "image": "x"}], "nodeName": "this-computer"}
    labels = {JOBSET_NAME: name, JOB_COMPLETION_INDEX: str(index)}
    pod: KubeObject = {"metadata": {"name": f"{name}-node-0-{index}-x", "labels": labels}, "spec": spec}
    connection.client.create(PODS, pod, namespace="default")
    connection.client.patch(
        PODS, pod["metadata"]["name"], {"status": {"phase": "Running"}}, namespace="default", subresource="status"
    )


def store_report(connection: Connection, uid: str, *, step: int, rank: int = 0, loss: float = 0.5) -> None:
    """Store a report, as another process does that reads the log."""
    report = {"time": [1.0], "step": [float(step)], "total": 10, "metrics": {"loss": [loss]}}
    (frame,) = encode(attempt=0, rank=rank, seq=step, kind=METRICS, body=dumps(report))
    connection.history.add(uid, "pod", 0, parse_lines([b"2026-01-01T00:00:0%d.000000000Z %s" % (step, frame.strip())]))


def test_number_of_requests_does_not_depend_on_the_number_of_jobs(connection: Connection, transport: Counting) -> None:
    for number in range(30):
        job(connection, f"job-{number}")
    board = JobList(connection, "default")
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


def test_subscribers_are_called_and_stored_reports_are_shown(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HISTORY_INTERVAL", 0.0)
    uid = job(connection, "one")["metadata"]["uid"]
    board, changes = JobList(connection, "default"), []
    unsubscribe = board.subscribe(lambda: changes.append(1))
    assert [job.state for job in board.snapshots()] == [State.QUEUED]
    run(connection, "one")
    wait_for(lambda: board.snapshots()[0].state is State.RUNNING)
    assert changes
    for step in (3, 7):
        store_report(connection, uid, step=step)
        (running,) = board.snapshots()
        assert (running.progress, running.metrics) == (step / 10, {"loss": 0.5})
    end(connection, "one", "Complete")
    wait_for(lambda: board.snapshots()[0].state is State.COMPLETE)
    connection.client.delete(TRAINJOBS, "one", namespace="default", uid=uid)
    wait_for(lambda: board.snapshots() == [])
    unsubscribe()


def test_only_changed_jobs_are_derived_again(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HISTORY_INTERVAL", 0.0)
    derived: list[str] = []

    def recorded_derive(trainjob: KubeObject, *args: Any, **more: Any) -> Snapshot:
        derived.append(trainjob["metadata"]["name"])
        return derive_snapshot(trainjob, *args, **more)

    monkeypatch.setattr(module, "derive_snapshot", recorded_derive)
    client = connection.client
    uids = {name: job(connection, name)["metadata"]["uid"] for name in ("one", "two", "three")}
    board = JobList(connection, "default")

    def snapshots() -> dict[str, Snapshot]:
        derived.clear()
        return {status.name: status for status in board.snapshots()}

    snapshots()
    assert sorted(derived) == ["one", "three", "two"]
    snapshots()
    assert derived == []
    run(connection, "one")  # a new pod
    assert snapshots()["one"].state is State.RUNNING
    assert derived == ["one"]
    failed = {"status": {"phase": "Failed"}}
    client.patch(PODS, "one-node-0-0-x", failed, namespace="default", subresource="status")  # a changed pod
    assert snapshots()["one"].ranks_running == 0
    assert derived == ["one"]
    client.delete(PODS, "one-node-0-0-x", namespace="default")  # a deleted pod
    assert snapshots()["one"].state is State.QUEUED
    assert derived == ["one"]
    client.patch(TRAINJOBS, "two", {"spec": {"suspend": True}}, namespace="default")  # a changed job
    assert snapshots()["two"].state is State.SUSPENDED
    assert derived == ["two"]
    run(connection, "three")
    snapshots()
    store_report(connection, uids["three"], step=5)  # a new report
    assert snapshots()["three"].step == 5
    assert derived == ["three"]
    end(connection, "three", "Complete")  # a finished job
    assert snapshots()["three"].state is State.COMPLETE
    assert derived == ["three"]
    client.delete(TRAINJOBS, "two", namespace="default", uid=uids["two"])
    assert set(snapshots()) == {"one", "three"}
    assert derived == []
    assert set(board._known) == {uids["one"], uids["three"]}, "a deleted job is dropped"
    another = job(connection, "two")["metadata"]["uid"]
    assert snapshots()["two"].uid == another
    assert derived == ["two"]


def test_log_of_a_job_without_follower_is_read(connection: Connection) -> None:
    uid = job(connection, "one")["metadata"]["uid"]
    run(connection, "one")
    board = JobList(connection, "default")
    assert board.snapshots()[0].step is None
    (pod,) = connection.client.list(PODS, namespace="default").items
    report = {"time": [1.0], "step": [4.0], "total": 10, "metrics": {"loss": [0.5]}}
    (frame,) = encode(attempt=0, rank=0, seq=1, kind=METRICS, body=dumps(report))

    class Logs:
        """The log of a pod; the in-process API server serves no logs."""

        def logs(self, *_: object, **__: object) -> list[bytes]:
            return [b"2026-01-01T00:00:01.000000000Z " + frame.strip()]

    board._known_of(uid).read_log(cast("Client", Logs()), pod)
    assert board.snapshots()[0].step == 4


def test_unreadable_log_does_not_stop_reading_the_others(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        job(connection, name)
        run(connection, name)
    read: list[str] = []

    class Logs:
        def logs(self, name: str, **_: object) -> list[bytes]:
            read.append(name)
            raise errors.Forbidden(403, "Forbidden", "no")

    vars(connection)["_watcher"] = Logs()
    JobList(connection, "default")._read_logs()
    assert sorted(read) == ["one-node-0-0-x", "three-node-0-0-x", "two-node-0-0-x"]


def test_log_of_the_newest_pod_of_a_node_is_read(connection: Connection) -> None:
    read: list[str] = []

    class Logs:
        def logs(self, name: str, **_: object) -> list[bytes]:
            read.append(name)
            return []

    vars(connection)["_watcher"] = Logs()
    board = JobList(connection, "default")
    trainjob = job(connection, "one")
    pods = [
        {
            "metadata": {"name": name, "uid": name, "namespace": "default", "creationTimestamp": stamp},
            "spec": {"containers": [{"name": "node"}], "nodeName": "this-computer"},
            "status": {"phase": "Running"},
        }
        for name, stamp in (("new", "2099-01-01T00:00:02Z"), ("old", "2099-01-01T00:00:01Z"))
    ]
    board._newest = lambda: [(trainjob, pods)]  # type: ignore[method-assign]
    board._read_logs()
    board._newest = lambda: [(trainjob, pods[::-1])]  # type: ignore[method-assign]
    board._read_logs()
    assert read == ["new", "new"]


def test_row_has_metrics_only_when_all_ranks_have_reported(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HISTORY_INTERVAL", 0.0)
    uid = job(connection, "one", nodes=2)["metadata"]["uid"]
    run(connection, "one")
    run(connection, "one", index=1)
    board = JobList(connection, "default")
    store_report(connection, uid, step=3, loss=0.25)
    assert (board.snapshots()[0].step, board.snapshots()[0].metrics) == (3, {})
    store_report(connection, uid, step=3, rank=1, loss=0.75)
    (row,) = board.snapshots()
    assert (row.metrics, row.ranges) == ({"loss": 0.5}, {"loss": (0.25, 0.75)})
    end(connection, "one", "Complete")
    store_report(connection, uid, step=4, rank=1, loss=1.75)
    assert board.snapshots()[0].metrics == {"loss": 1.0}


def test_logs_of_all_nodes_of_a_job_without_follower_are_read(connection: Connection) -> None:
    job(connection, "one", nodes=2)
    for index in (0, 1):
        run(connection, "one", index=index)
    refused = job(connection, "two")["metadata"]["uid"]
    run(connection, "two")
    read: list[str] = []

    class Logs:
        """The logs of pods, one of them forbidden; the in-process API server serves no logs."""

        def logs(self, name: str, **_: object) -> list[bytes]:
            read.append(name)
            if name.startswith("two"):
                raise errors.Forbidden(403, "Forbidden", "no")
            rank = int(name.split("-")[3])
            report = {"time": [1.0], "step": [4.0], "total": 10, "metrics": {"loss": [0.5 + rank]}}
            (frame,) = encode(attempt=0, rank=rank, seq=1, kind=METRICS, body=dumps(report))
            return [b"2026-01-01T00:00:01.000000000Z " + frame.strip()]

    board = JobList(connection, "default")
    vars(connection)["_watcher"] = Logs()
    board._read_logs()
    assert sorted(read) == ["one-node-0-0-x", "one-node-0-1-x", "two-node-0-0-x"]
    rows = {row.name: row for row in board.snapshots()}
    assert rows["one"].metrics == {"loss": 1.0}
    assert rows["two"].uid == refused


def test_find_job_by_uid(connection: Connection) -> None:
    uid = job(connection, "one")["metadata"]["uid"]
    board = JobList(connection, "default")
    assert board.find_job(uid).name == "one"
    with pytest.raises(errors.UsageError, match="not in default on test any more"):
        board.find_job("another")


def test_subscribers_share_watches_that_stop_with_the_last_one(connection: Connection) -> None:
    board = JobList(connection, "default")
    first, second = board.subscribe(lambda: None), board.subscribe(lambda: None)
    watch = board._jobs
    first()
    assert board._jobs is watch
    second()
    second()
    assert board._jobs is None
    assert watch is not None
    assert not watch.wait_synced(0), "it was stopped"
