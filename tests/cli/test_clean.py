"""``cluster clean``: everything goes, and nothing of anybody else's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import jupyter_trainjob
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster import clean
from jupyter_trainjob.cluster.state import StateDir
from tests.cli.test_cluster import trainjob
from tests.embedded import embedded_cluster, kill_daemon, processes_of, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path / "state") as found:
        yield found


def stubborn(path: Path) -> None:
    """Run for ever, deaf to SIGTERM, with a child in a session of its own."""
    import signal
    import subprocess
    import time

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    path.write_text(str(child.pid))
    time.sleep(1000)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_asks_and_then_takes_away_daemon_programs_and_files(state: StateDir, tmp_path: Path) -> None:
    told = tmp_path / "child"
    jupyter_trainjob.submit(stubborn, told, runtime="plain")
    wait_for(lambda: told.exists() and told.read_text(), timeout=60)
    child = int(told.read_text())
    (state.root / "mine").write_text("not the cluster's")
    context.forget()
    asked = trainjob("cluster", "clean")
    assert asked.returncode == 1
    assert "1 running program" in asked.stdout
    assert str(state.cluster) in asked.stdout
    assert lives(child)
    done = trainjob("cluster", "clean", "--yes")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in state.root.iterdir()] == ["mine"]
    wait_for(lambda: not lives(child))
    wait_for(lambda: not processes_of(state))
    assert "nothing to remove" in trainjob("cluster", "clean").stdout


def test_it_works_where_daemon_and_shim_were_killed(state: StateDir, tmp_path: Path) -> None:
    told = tmp_path / "child"
    jupyter_trainjob.submit(stubborn, told, runtime="plain")
    wait_for(lambda: told.exists() and told.read_text(), timeout=60)
    kill_daemon(state)
    (run,) = clean.running(state)
    pids = run.pids()
    assert pids is not None
    os.kill(pids["shim"]["pid"], signal.SIGKILL)
    context.forget()
    clean.remove(state)
    assert not state.root.exists()
    left = (int(told.read_text()), pids["program"]["pid"])
    wait_for(lambda: not any(lives(pid) for pid in left))


def test_a_folder_that_no_daemon_ever_used_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "thesis.tex").touch()
    state = StateDir(tmp_path)
    assert clean.look(state) is None
    clean.remove(state)
    assert (tmp_path / "cluster" / "thesis.tex").exists()
