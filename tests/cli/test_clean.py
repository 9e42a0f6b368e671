"""``cluster clean`` removes the daemon, its programs and its files, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import jupyter_trainjob
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.daemon import uninstall
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.cli.test_cluster import trainjob
from tests.embedded import embedded_cluster, kill_daemon, processes_of
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    with embedded_cluster(tmp_path / "state") as embedded:
        yield embedded


def stubborn(path: Path) -> None:
    """Ignore SIGTERM and run forever, with a child in a session of its own."""
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


@pytest.mark.journey
def test_clean_asks_for_confirmation_and_removes_daemon_programs_and_files(state: StateDir, tmp_path: Path) -> None:
    child_pid_file = tmp_path / "child"
    jupyter_trainjob.submit(stubborn, child_pid_file, runtime="plain")
    wait_for(lambda: child_pid_file.exists() and child_pid_file.read_text())
    child = int(child_pid_file.read_text())
    (state.root / "mine").write_text("not the cluster's")
    context.forget_connections()
    unconfirmed = trainjob("cluster", "clean")
    assert unconfirmed.returncode == 1
    assert "1 running program" in unconfirmed.stdout
    assert str(state.cluster) in unconfirmed.stdout
    assert lives(child)
    done = trainjob("cluster", "clean", "--yes")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in state.root.iterdir()] == ["mine"]
    wait_for(lambda: not lives(child))
    wait_for(lambda: not processes_of(state))
    assert "nothing to remove" in trainjob("cluster", "clean").stdout


def test_clean_ends_programs_whose_daemon_and_shim_were_killed(state: StateDir, tmp_path: Path) -> None:
    child_pid_file = tmp_path / "child"
    jupyter_trainjob.submit(stubborn, child_pid_file, runtime="plain")
    wait_for(lambda: child_pid_file.exists() and child_pid_file.read_text())
    kill_daemon(state)
    (run,) = uninstall.running_containers(state)
    pids = run.pids()
    assert pids is not None
    os.kill(pids["shim"]["pid"], signal.SIGKILL)
    context.forget_connections()
    uninstall.uninstall(state)
    assert not state.root.exists()
    survivors = (int(child_pid_file.read_text()), pids["program"]["pid"])
    wait_for(lambda: not any(lives(pid) for pid in survivors))


def test_clean_leaves_a_folder_that_no_daemon_used(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "thesis.tex").touch()
    state = StateDir(tmp_path)
    assert uninstall.find_installation(state) is None
    uninstall.uninstall(state)
    assert (tmp_path / "cluster" / "thesis.tex").exists()
