"""The daemon's lifecycle thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.daemon.lifecycle import Decision, Lifecycle, limit_log
from jupyter_trainjob.cluster.daemon.upgrade import PackageChange
from jupyter_trainjob.cluster.idle_detection import RequestActivity
from jupyter_trainjob.cluster.state.cluster_settings import Settings
from tests.waiting import patience

SECONDS = patience(60)


def fail() -> None:
    raise ValueError("an object like no other")


@pytest.mark.parametrize("sweep", [lambda: None, fail], ids=["nothing fails", "a sweep fails"])
@pytest.mark.parametrize("log", ["daemon.log", "a file/daemon.log"], ids=["a log", "a log that cannot be moved"])
def test_idle_daemon_stops_despite_failing_tasks(tmp_path: Path, sweep: Callable[[], None], log: str) -> None:
    (tmp_path / "a file").touch()
    ended = threading.Event()
    lifecycle = Lifecycle(
        Settings(idle_minutes=0.001),
        RequestActivity(),
        detect_change=lambda: PackageChange.NONE,
        has_unfinished_work=lambda: False,
        sweep=sweep,
        log=tmp_path / log,
        end=ended.set,
        check_seconds=0.01,
    )
    lifecycle.start()
    try:
        assert ended.wait(SECONDS)
        assert lifecycle.decision is Decision.STOP
    finally:
        lifecycle.stop()


def test_long_log_is_truncated_while_a_writer_has_it_open(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"before\n")
        limit_log(log, limit=100)
        assert log.read_bytes() == b"before\n"
        limit_log(log, limit=3)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "daemon.log.1").read_bytes() == b"before\n"
