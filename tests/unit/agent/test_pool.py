"""How many fork servers there are, and until when: with interpreters that only speak as a fork server does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_trainjob.cluster.agent import forkserver
from jupyter_trainjob.cluster.agent.warm import Limits, Server, WarmPool

from .cluster import SECONDS

FAKE = """#!{python} -IS
import json, os, socket, sys
ours = socket.socket(fileno=int(sys.argv[2]))
body = json.dumps({{**{told!r}, "environ": dict(os.environ)}}).encode()
ours.sendall(len(body).to_bytes(4, "big") + body)
ours.recv(1)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., WarmPool]]:
    made: list[WarmPool] = []

    def pool(**limits: float) -> WarmPool:
        made.append(WarmPool(tmp_path / "warm", Limits(**{"idle_seconds": 0.0, **limits})))  # type: ignore[arg-type]
        return made[-1]

    yield pool
    for each in made:
        each.stop()


def interpreter(folder: Path, name: str, **told: object) -> str:
    """Return an interpreter whose fork server says `told`; it is ready if that is nothing."""
    path = folder / name
    path.write_text(FAKE.format(python=sys.executable, told=told or {"files": {}}))
    path.chmod(0o755)
    return str(path)


def started(pool: WarmPool, python: str) -> Server:
    """Return a server of which it is known what became of it."""
    server = pool.start(python)
    assert server is not None
    pool._await(server, lambda: False)
    assert server.settled
    return server


def ended(server: Server) -> bool:
    server._process.wait(SECONDS)
    return not server.ready


def test_there_are_at_most_so_many_servers_and_the_least_used_one_ends(
    make: Callable[..., WarmPool], tmp_path: Path
) -> None:
    pool = make(servers=2)
    a, b, c = (interpreter(tmp_path, name) for name in "abc")
    first, second = started(pool, a), started(pool, b)
    assert started(pool, a) is first
    third = started(pool, c)
    assert ended(second)
    assert (first.ready, third.ready) == (True, True)
    assert all(psutil.pid_exists(server._process.pid) for server in (first, third))


def test_without_a_limit_none_ends(make: Callable[..., WarmPool], tmp_path: Path) -> None:
    pool = make(servers=0)
    servers = [started(pool, interpreter(tmp_path, name)) for name in "abcde"]
    assert all(server.ready for server in servers)


def test_a_server_that_nobody_uses_ends_and_the_next_program_has_another(
    make: Callable[..., WarmPool], tmp_path: Path
) -> None:
    pool, python = make(idle_seconds=0.1), interpreter(tmp_path, "python")
    server = started(pool, python)
    assert ended(server)
    assert pool.start(python) is not server


def test_a_server_is_replaced_when_a_package_is(make: Callable[..., WarmPool], tmp_path: Path) -> None:
    package = tmp_path / "torch.py"
    package.write_text("1")
    python = interpreter(tmp_path, "python", files=forkserver.stamps([str(package)]))
    pool = make()
    server = started(pool, python)
    assert started(pool, python) is server
    other = tmp_path / "other.py"
    other.write_text("22")
    other.replace(package)
    assert pool.start(python) is not server
    assert ended(server)


def test_an_interpreter_that_refuses_is_asked_again_when_something_was_installed(
    make: Callable[..., WarmPool], tmp_path: Path
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    folders = {str(packages): forkserver._stamp(str(packages))}
    python = interpreter(tmp_path, "python", refusal="no torch", folders=folders)
    pool = make()
    server = started(pool, python)
    assert ended(server)
    assert pool.start(python) is server, "it would only say the same"
    assert pool._ready(python, lambda: False) is None
    (packages / "torch.py").touch()
    assert pool.start(python) is not server


def test_a_program_that_is_stopped_waits_for_no_server(make: Callable[..., WarmPool], tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o755)
    pool, cancelled, found = make(), threading.Event(), list[Server | None]()
    thread = threading.Thread(target=lambda: found.append(pool._ready(str(silent), cancelled.is_set)))
    thread.start()
    cancelled.set()
    pool.wake()
    thread.join(SECONDS)
    assert found == [None]


def test_a_pool_that_has_ended_starts_nothing(make: Callable[..., WarmPool], tmp_path: Path) -> None:
    pool, python = make(), interpreter(tmp_path, "python")
    server = started(pool, python)
    pool.stop()
    assert ended(server)
    assert pool.start(python) is None
