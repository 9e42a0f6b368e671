"""Reading a pod's log when requests fail: retries, pauses and the final error."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.results import outcome
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.client.state.own_pods import own_pods
from jupyter_trainjob.client.watching import log_reader
from jupyter_trainjob.client.watching.job_follower import JobFollower, follow_job, started_follower
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import JOBSET_NAME, JOBSET_UID, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.metrics.history import History
from tests.waiting import patience


@dataclass
class Answer:
    """An answer of an API server."""

    status: int
    body: bytes = b""
    closed: threading.Event = field(default_factory=threading.Event)
    ends: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> bytes:
        return self.body

    def __iter__(self) -> Iterator[bytes]:
        yield self.body
        if not self.ends:
            self.closed.wait(patience(60))

    def close(self) -> None:
        self.closed.set()


class Server:
    """An API server in process, whose logs are what a test wants them to be."""

    def __init__(self, core: ApiServer) -> None:
        self._core = core
        self.log: Callable[[], Response] = lambda: Answer(200)
        self.log_requests = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.path.endswith("/log"):
            self.log_requests += 1
            return self.log()
        return self._core.send(request, timeout=timeout)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    store = Store(tmp_path / "store.db")
    yield Server(ApiServer(store, version="0.0.0"))
    store.close()


@pytest.fixture
def connection(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    connection = Connection("test", Client(server), "default")
    yield connection
    connection.history.close()


def job(connection: Connection, name: str = "one", *, phase: str) -> KubeObject:
    """Create a job with a pod."""
    spec: KubeObject = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
    created = connection.client.create(TRAINJOBS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
    pod: KubeObject = {
        "metadata": {"name": f"{name}-node-0-0-x", "labels": {JOBSET_NAME: name}},
        "spec": {"containers": [{"name": "node", "image": "x"}], "nodeName": "this-computer"},
    }
    connection.client.create(PODS, pod, namespace="default")
    status = {"status": {"phase": phase}}
    connection.client.patch(PODS, pod["metadata"]["name"], status, namespace="default", subresource="status")
    if phase == "Succeeded":
        done = {"type": "Complete", "status": "True", "lastTransitionTime": timestamp(), "reason": "x", "message": "y"}
        patch = {"status": {"conditions": [done]}}
        created = connection.client.patch(TRAINJOBS, name, patch, namespace="default", subresource="status")
    return created


def unreachable() -> Response:
    raise errors.ClusterError("Cannot reach the API server")


UNREADABLE: dict[str, tuple[Callable[[], Response], str]] = {
    "forbidden": (lambda: Answer(403, b"you may not get pods/log"), "you may not get pods/log"),
    "credentials that have expired": (lambda: Answer(401, b"expired"), "expired"),
    "a server that fails": (lambda: Answer(503, b"overloaded"), "overloaded"),
    "an unreachable server": (unreachable, "Cannot reach the API server"),
}


@pytest.mark.parametrize(("log", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_finished_job_with_an_unreadable_log_settles_with_a_log_error(
    server: Server, connection: Connection, monkeypatch: pytest.MonkeyPatch, log: Callable[[], Response], why: str
) -> None:
    monkeypatch.setattr(log_reader, "RECONNECT_PAUSE", 0.1)
    monkeypatch.setattr(log_reader, "GIVE_UP_AFTER", 0.5)
    server.log = log
    follower = JobFollower(connection, job(connection, phase="Succeeded"))
    follower.start()
    assert follower.wait(follower.settled, timeout=patience(60))
    assert server.log_requests <= 10, "each failure is followed by a pause"
    snapshot = follower.snapshot()
    assert why in snapshot.reason
    with pytest.raises(errors.NoResult, match=why):
        outcome.read_outcome(
            snapshot, follower.record, bundle=lambda: outcome.SentBundle(b""), opener=lambda _: io.BytesIO()
        )
    follower.close()


def test_log_is_read_after_temporary_failures(
    server: Server, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "RECONNECT_PAUSE", 0.01)
    answers = [Answer(503), Answer(401), Answer(200, b"2026-01-01T00:00:00.000000000Z hello\n")]
    server.log = lambda: answers.pop(0)
    follower = JobFollower(connection, job(connection, phase="Succeeded"))
    follower.start()
    assert follower.wait(follower.settled, timeout=patience(60))
    assert [line.text for line in follower.log.lines()] == ["hello"]
    assert follower.snapshot().reason == ""
    follower.close()


def test_new_follower_reads_a_log_that_could_not_be_read_before(server: Server, connection: Connection) -> None:
    server.log = UNREADABLE["forbidden"][0]
    created = job(connection, phase="Succeeded")
    holder = threading.Event()
    first = follow_job(connection, created, holder=holder)
    assert first.closed.wait(patience(60))
    server.log = lambda: Answer(200, b"2026-01-01T00:00:00.000000000Z hello\n")
    again = follow_job(connection, created, holder=holder)
    assert again.wait(again.settled, timeout=patience(60))
    assert [line.text for line in again.log.lines()] == ["hello"]


def test_follower_closed_while_a_log_is_opened_leaves_no_stream(server: Server, connection: Connection) -> None:
    opening, go_on, answer = threading.Event(), threading.Event(), Answer(200, ends=False)

    def open_slowly() -> Response:
        opening.set()
        assert go_on.wait(patience(60))
        return answer

    server.log = open_slowly
    follower = JobFollower(connection, job(connection, phase="Running"))
    follower.start()
    assert opening.wait(patience(60))
    (reader,) = follower._readers.values()
    follower.close()
    go_on.set()
    assert answer.closed.wait(patience(60))
    reader.join(patience(60))
    assert not reader.is_alive()


def test_loading_a_long_history_does_not_block_other_jobs(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = job(connection, phase="Running"), job(connection, "other", phase="Running")
    loading, go_on = threading.Event(), threading.Event()
    frames = History.frames

    def slow(self: History, uid: str, **more: object) -> list[object]:
        if uid == one["metadata"]["uid"]:
            loading.set()
            assert go_on.wait(patience(60))
        return frames(self, uid, **more)  # type: ignore[return-value]

    monkeypatch.setattr(History, "frames", slow)
    holder = threading.Event()
    thread = threading.Thread(target=follow_job, args=(connection, one), kwargs={"holder": holder})
    thread.start()
    assert loading.wait(patience(60))
    assert started_follower(connection, one["metadata"]["uid"]) is None, "it knows nothing yet"
    follower = follow_job(connection, other, holder=holder)
    shown = follower.wait(lambda: follower.state() is State.RUNNING, patience(60))
    go_on.set()
    thread.join(patience(60))
    assert shown
    for created in (one, other):
        other_follower = started_follower(connection, created["metadata"]["uid"])
        assert other_follower is not None
        other_follower.close()


def pod(name: str, created: str, jobset: str) -> KubeObject:
    return {"metadata": {"name": name, "creationTimestamp": created, "labels": {JOBSET_UID: jobset}}}


def test_pods_of_an_earlier_job_with_the_same_name_are_not_own_pods() -> None:
    trainjob: KubeObject = {"metadata": {"creationTimestamp": "2026-01-01T00:00:10Z"}}
    older = pod("older", "2026-01-01T00:00:09Z", "a")
    same_second = pod("same-second", "2026-01-01T00:00:10Z", "a")
    mine = [pod("mine-0", "2026-01-01T00:00:11Z", "b"), pod("mine-1", "2026-01-01T00:00:12Z", "b")]
    assert own_pods(trainjob, [older, mine[0], same_second, mine[1]]) == mine
    assert own_pods(trainjob, [older]) == []


def test_concurrent_threads_get_the_same_history_and_client(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    barrier, histories = threading.Barrier(8), []
    opening = History.__init__

    def slow(self: History, path: Path) -> None:
        threading.Event().wait(0.05)  # Long enough for all others to ask as well.
        opening(self, path)

    monkeypatch.setattr(History, "__init__", slow)
    shared = Connection("test", Client(server), "default")

    def ask() -> None:
        barrier.wait(patience(60))
        histories.append(shared.history)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience(60))
    assert len({id(history) for history in histories}) == 1
    shared.history.close()
