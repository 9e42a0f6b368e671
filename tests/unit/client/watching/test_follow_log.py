"""The lines of a pod's log in streams, in the history and in the buffer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import TRAINJOBS, KubeObject
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.watching.job_follower import JobFollower
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.log_lines import parse_lines
from tests.waiting import patience

JOB: KubeObject = {"metadata": {"name": "bars"}, "spec": {"runtimeRef": {"name": "plain"}}}
POD: KubeObject = {"metadata": {"name": "bars-node-0-0-x", "uid": "pod-1"}}
LOG = (
    b"before",
    b"~abcdef.1\r10%",
    b"printed",
    b"~abcdef.1\r20%",
    b"=abcdef.1\r100%",
    b"~abcdef.2\r5%",
    b"~abcdef.3\r ",
)


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobFollower]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    store = Store(tmp_path / "store.db")
    connection = Connection("test", Client(ApiServer(store, version="0.0.0")), "default")
    follower = JobFollower(connection, connection.client.create(TRAINJOBS, JOB, namespace="default"))
    yield follower
    connection.history.close()
    store.close()


def read(follower: JobFollower, first: int = 0, end: int = len(LOG)) -> None:
    for line in parse_lines(b"2026-01-02T03:04:05.%09dZ %b" % (i, LOG[i]) for i in range(first, end)):
        follower.add_line(POD, line)


def test_stream_yields_an_overwritten_row_when_it_is_final_or_at_the_end(follower: JobFollower) -> None:
    lines = follower.log.stream()
    read(follower, end=1)
    texts = [next(lines).text]
    read(follower, 1)
    follower.close()
    texts += [line.text for line in lines]
    assert texts == ["before", "printed", "100%", "5%"]


def test_stored_lines_have_an_overwritten_row_once(follower: JobFollower) -> None:
    read(follower)
    assert [line.text for line in follower.log.lines()] == ["before", "printed", "100%", "5%"]


def test_log_that_is_read_again_adds_no_line_twice(follower: JobFollower) -> None:
    read(follower, end=3)
    follower.log.lines()
    again = JobFollower(follower.connection, follower.trainjob())
    again.log.load()
    read(again)
    assert [line.text for line in again.log.buffer.tail(10)] == ["before", "printed", "100%", "5%"]


def test_stream_that_is_opened_while_lines_are_being_saved_yields_them(
    follower: JobFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = follower.connection.history
    save, saving = history.add, threading.Event()

    def save_slowly(*args: Any) -> bool:
        saving.set()
        time.sleep(0.2)
        return save(*args)

    read(follower, end=1)
    follower.close()
    monkeypatch.setattr(history, "add", save_slowly)
    thread = threading.Thread(target=follower.log.save)
    thread.start()
    assert saving.wait(patience(60))
    assert [line.text for line in follower.log.stream()] == ["before"]
    thread.join()
