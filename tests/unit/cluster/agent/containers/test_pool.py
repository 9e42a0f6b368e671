"""Number and lifetime of fork servers, with fake interpreters that only send the first message of a fork server."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_trainjob.cluster.agent.containers.forkserver_pool import ForkServer, ForkServerPool, Limits
from jupyter_trainjob.cluster.agent.shim import forkserver
from tests.unit.cluster.agent.cluster import SECONDS

FAKE = """#!{python} -IS
import json, os, socket, sys
ours = socket.socket(fileno=int(sys.argv[2]))
body = json.dumps({{**{hello!r}, "environ": dict(os.environ)}}).encode()
ours.sendall(len(body).to_bytes(4, "big") + body)
ours.recv(1)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., ForkServerPool]]:
    pools: list[ForkServerPool] = []

    def pool(**limits: float) -> ForkServerPool:
        pools.append(ForkServerPool(tmp_path / "warm", Limits(**{"idle_seconds": 0.0, **limits})))  # type: ignore[arg-type]
        return pools[-1]

    yield pool
    for server_pool in pools:
        server_pool.stop()


def interpreter(folder: Path, name: str, **hello: object) -> str:
    """Return an interpreter whose fork server sends `hello`, by default that it is ready."""
    path = folder / name
    path.write_text(FAKE.format(python=sys.executable, hello=hello or {"files": {}}))
    path.chmod(0o755)
    return str(path)


def started(pool: ForkServerPool, python: str) -> ForkServer:
    """Start a server and wait until it is ready or has failed."""
    server = pool.start(python)
    assert server is not None
    pool._wait_until_settled(server, lambda: False)
    assert server.settled
    return server


def ended(server: ForkServer) -> bool:
    server._process.wait(SECONDS)
    return not server.ready


def test_least_recently_used_server_ends_at_the_limit(make: Callable[..., ForkServerPool], tmp_path: Path) -> None:
    pool = make(servers=2)
    a, b, c = (interpreter(tmp_path, name) for name in "abc")
    first, second = started(pool, a), started(pool, b)
    assert started(pool, a) is first
    third = started(pool, c)
    assert ended(second)
    assert (first.ready, third.ready) == (True, True)
    assert all(psutil.pid_exists(server._process.pid) for server in (first, third))


def test_no_server_ends_without_a_limit(make: Callable[..., ForkServerPool], tmp_path: Path) -> None:
    pool = make(servers=0)
    servers = [started(pool, interpreter(tmp_path, name)) for name in "abcde"]
    assert all(server.ready for server in servers)


def test_idle_server_ends_and_the_next_program_gets_a_new_one(
    make: Callable[..., ForkServerPool], tmp_path: Path
) -> None:
    pool, python = make(idle_seconds=0.1), interpreter(tmp_path, "python")
    server = started(pool, python)
    assert ended(server)
    assert pool.start(python) is not server


def test_server_is_replaced_after_a_package_is_replaced(make: Callable[..., ForkServerPool], tmp_path: Path) -> None:
    package = tmp_path / "torch.py"
    package.write_text("1")
    python = interpreter(tmp_path, "python", files=forkserver.fingerprints([str(package)]))
    pool = make()
    server = started(pool, python)
    assert started(pool, python) is server
    other = tmp_path / "other.py"
    other.write_text("22")
    other.replace(package)
    assert pool.start(python) is not server
    assert ended(server)


def test_refusing_interpreter_is_retried_after_an_installation(
    make: Callable[..., ForkServerPool], tmp_path: Path
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    folders = {str(packages): forkserver._fingerprint(str(packages))}
    python = interpreter(tmp_path, "python", refusal="no torch", folders=folders)
    pool = make()
    server = started(pool, python)
    assert ended(server)
    assert pool.start(python) is server, "it would only say the same"
    assert pool._ready_server(python, lambda: False) is None
    (packages / "torch.py").touch()
    assert pool.start(python) is not server


def test_cancelled_program_does_not_wait_for_a_server(make: Callable[..., ForkServerPool], tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o755)
    pool, cancelled, answers = make(), threading.Event(), list[ForkServer | None]()
    thread = threading.Thread(target=lambda: answers.append(pool._ready_server(str(silent), cancelled.is_set)))
    thread.start()
    cancelled.set()
    pool.wake()
    thread.join(SECONDS)
    assert answers == [None]


def test_stopped_pool_starts_no_server(make: Callable[..., ForkServerPool], tmp_path: Path) -> None:
    pool, python = make(), interpreter(tmp_path, "python")
    server = started(pool, python)
    pool.stop()
    assert ended(server)
    assert pool.start(python) is None
