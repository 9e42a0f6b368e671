"""The thread in which a daemon looks after itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.idle import Activity
from jupyter_trainjob.cluster.life import Life, Verdict, limit_log
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.upgrade import Change

SECONDS = 60.0


def breaks() -> None:
    raise ValueError("an object like no other")


@pytest.mark.parametrize("sweep", [lambda: None, breaks], ids=["nothing fails", "a sweep fails"])
@pytest.mark.parametrize("log", ["daemon.log", "a file/daemon.log"], ids=["a log", "a log that cannot be moved"])
def test_a_daemon_that_nobody_needs_ends_whatever_else_fails(
    tmp_path: Path, sweep: Callable[[], None], log: str
) -> None:
    (tmp_path / "a file").touch()
    ended = threading.Event()
    life = Life(
        Settings(idle_minutes=0.001),
        Activity(),
        look=lambda: Change.NONE,
        anything_unfinished=lambda: False,
        sweep=sweep,
        log=tmp_path / log,
        end=ended.set,
        look_seconds=0.01,
    )
    life.start()
    try:
        assert ended.wait(SECONDS)
        assert life.verdict is Verdict.END
    finally:
        life.stop()


def test_a_long_log_moves_aside_and_who_writes_it_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"before\n")
        limit_log(log, limit=100)
        assert log.read_bytes() == b"before\n"
        limit_log(log, limit=3)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "daemon.log.1").read_bytes() == b"before\n"
