"""The ``cluster`` commands: output and exit codes that scripts use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import VERSION
from tests.embedded import embedded_cluster
from tests.waiting import patience


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    """Use a state folder of the test's own for the command line."""
    with embedded_cluster(tmp_path / "state") as embedded:
        yield embedded


def trainjob(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run what ``jupyter trainjob …`` runs."""
    command = [str(Path(sys.executable).parent / "jupyter-trainjob"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=patience(90), env={**os.environ, **variables}, check=False
    )


@pytest.mark.journey
def test_cluster_is_started_described_and_stopped(state: StateDir) -> None:
    assert trainjob("cluster", "status").returncode == 1
    started = trainjob("cluster", "start")
    assert started.returncode == 0, started.stderr
    assert "Running" in started.stdout
    assert trainjob("cluster", "start").stdout == started.stdout, "a second start finds the first"
    assert str(state.root) in trainjob("cluster", "status").stdout
    assert trainjob("cluster", "stop").returncode == 0
    assert trainjob("cluster", "status").returncode == 1
    assert "not running" in trainjob("cluster", "stop").stdout


@pytest.mark.journey
def test_kubeconfig_prints_the_path_of_a_private_file_as_its_last_line(state: StateDir) -> None:
    path = Path(trainjob("cluster", "kubeconfig").stdout.splitlines()[-1])
    config = yaml.safe_load(path.read_text())
    assert config["current-context"] == "trainjob-local"
    assert path.stat().st_mode & 0o077 == 0
    assert config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")


def test_restarted_daemon_keeps_its_address(state: StateDir) -> None:
    trainjob("cluster", "start")
    before = state.kubeconfig.read_bytes()
    trainjob("cluster", "stop")
    trainjob("cluster", "start")
    assert state.kubeconfig.read_bytes() == before


def test_concurrent_starts_find_one_daemon(state: StateDir) -> None:
    command = [str(Path(sys.executable).parent / "jupyter"), "trainjob", "cluster", "start"]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = {process.communicate(timeout=patience(90))[0] for process in racing}
    assert [process.returncode for process in racing] == [0] * 4
    assert len(outputs) == 1


def test_unwritable_state_folder_is_an_error_without_a_traceback() -> None:
    run = trainjob("cluster", "start", TRAINJOB_STATE_DIR="/dev/null/state")
    assert run.returncode == 1
    assert "TRAINJOB_STATE_DIR" in run.stderr
    assert "Traceback" not in run.stderr


def test_jupyter_finds_the_command() -> None:
    command = [str(Path(sys.executable).parent / "jupyter"), "trainjob", "--version"]
    assert (
        subprocess.run(command, capture_output=True, text=True, timeout=patience(90), check=True).stdout
        == f"{VERSION}\n"
    )


def test_wrong_usage_lists_the_commands() -> None:
    run = trainjob("cluster", "explode")
    assert run.returncode == 2
    assert "kubeconfig" in run.stderr
