"""What a follower makes of the lines of a pod's log, for those who follow and those who come later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import TRAINJOBS, Object
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.follow import Follower
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.metrics.loglines import parse

JOB: Object = {"metadata": {"name": "bars"}, "spec": {"runtimeRef": {"name": "plain"}}}
POD: Object = {"metadata": {"name": "bars-node-0-0-x", "uid": "pod-1"}}
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
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    store = Store(tmp_path / "store.db")
    connection = Connection("test", Client(Core(store, version="0.0.0")), "default")
    found = Follower(connection, connection.client.create(TRAINJOBS, JOB, namespace="default"))
    found._pods["pod-1"] = POD  # It is known from the watch, which is not of interest here.
    yield found
    connection.history.close()
    store.close()


def read(follower: Follower, first: int = 0, end: int = len(LOG)) -> None:
    for line in parse(b"2026-01-02T03:04:05.%09dZ %b" % (i, LOG[i]) for i in range(first, end)):
        follower.take(POD, line)


def test_who_follows_gets_a_bar_when_it_stands_or_at_the_end(follower: Follower) -> None:
    lines = follower.lines()
    read(follower, end=1)
    seen = [next(lines).text]
    read(follower, 1)
    follower.close()
    seen += [line.text for line in lines]
    assert seen == ["before", "printed", "100%", "5%"]


def test_what_is_kept_has_a_bar_once(follower: Follower) -> None:
    read(follower)
    assert [line.text for line in follower.kept_lines()] == ["before", "printed", "100%", "5%"]


def test_a_log_that_is_read_again_brings_no_line_twice(follower: Follower) -> None:
    read(follower, end=3)
    follower.kept_lines()
    again = Follower(follower.connection, follower.trainjob())
    again._pods["pod-1"] = POD
    again._known = again.log.load()
    read(again)
    assert [line.text for line in again.log.tail(10)] == ["before", "printed", "100%", "5%"]
