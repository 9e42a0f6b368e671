"""The fork server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.agent.shim import forkserver
from tests.waiting import patience

SLOW = "import pathlib, time\npathlib.Path({mark!r}).touch()\ntime.sleep(300)\n"


@pytest.mark.parametrize("importing", [False, True], ids=["before it imports", "while it imports"])
def test_fork_server_ends_with_its_daemon(tmp_path: Path, *, importing: bool) -> None:
    mark = tmp_path / "importing"
    (tmp_path / "torch.py").write_text(SLOW.format(mark=str(mark)))
    ours, theirs = socket.socketpair()
    command = [sys.executable, forkserver.__file__, str(theirs.fileno()), str(tmp_path / "log")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with theirs:
        server = subprocess.Popen(command, pass_fds=(theirs.fileno(),), env=environment, stderr=subprocess.DEVNULL)
    with ours:
        deadline = time.monotonic() + 60
        while importing and not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    with server:
        server.wait(patience(60))


def test_imported_sibling_leaves_no_modules_for_the_program(tmp_path: Path) -> None:
    (tmp_path / "outer_sibling.py").write_text("import inner_sibling\n")
    (tmp_path / "inner_sibling.py").write_text("")
    path, modules = list(sys.path), set(sys.modules)
    assert forkserver.import_sibling(str(tmp_path), "outer_sibling").inner_sibling
    assert (sys.path, set(sys.modules)) == (path, modules)
