"""kill -9 of each process while a program runs: other programs continue, and each exit is reported correctly."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.faults.pods import WaitingPod
from tests.faults.soaking import Soak
from tests.faults.strikes import DAEMON, FORK_SERVERS, KINDS, PROGRAM, SHIM, fork_servers, strike
from tests.waiting import wait_for

SECONDS = float(os.environ.get("TRAINJOB_FAULT_SECONDS", "60"))
SEED = int(os.environ.get("TRAINJOB_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@pytest.mark.parametrize("kinds", [[DAEMON], [FORK_SERVERS], [DAEMON, FORK_SERVERS]], ids=" and ".join)
@pytest.mark.journey
def test_program_survives_kills_of_daemon_and_fork_server(state: StateDir, tmp_path: Path, kinds: list[str]) -> None:
    wait_for(lambda: any(fork_servers(state)))
    pod = WaitingPod(state, tmp_path)
    for kind in reversed(kinds):
        assert strike(state, kind, random.Random(0)) == []
    assert pod.lives
    launcher.ensure_daemon(state)
    assert pod.status()["phase"] == "Running"
    pod.go()
    assert pod.ended()["exitCode"] == 5
    assert pod.starts == 1
    pod.delete()


@pytest.mark.parametrize("with_daemon", [False, True], ids=["alone", "with the daemon"])
@pytest.mark.parametrize(("kind", "reason"), [(SHIM, "ShimLost"), (PROGRAM, "Error")], ids=["shim", "program"])
def test_killed_program_fails_with_the_reason(
    state: StateDir, tmp_path: Path, kind: str, reason: str, *, with_daemon: bool
) -> None:
    pod = WaitingPod(state, tmp_path)
    assert strike(state, kind, random.Random(0)) is not None
    if with_daemon:
        strike(state, DAEMON, random.Random(0))
        launcher.ensure_daemon(state)
    end = pod.ended()
    assert (end["exitCode"], end["reason"]) == (137, reason)
    wait_for(lambda: not pod.lives)
    assert pod.starts == 1
    pod.delete()


def test_exit_while_no_daemon_runs_is_reported(state: StateDir, tmp_path: Path) -> None:
    pod = WaitingPod(state, tmp_path)
    strike(state, DAEMON, random.Random(0))
    pod.go()
    wait_for(lambda: not pod.lives)
    launcher.ensure_daemon(state)
    assert pod.ended()["exitCode"] == 5
    pod.delete()


def test_pods_end_once_when_processes_of_every_kind_are_killed(state: StateDir, tmp_path: Path) -> None:
    pods = [WaitingPod(state, tmp_path, name) for name in ("a", "b")]
    for kind in (FORK_SERVERS, PROGRAM, SHIM, DAEMON):
        strike(state, kind, random.Random(1))
    launcher.ensure_daemon(state)
    for pod in pods:
        pod.go()
    codes = {pod.ended()["exitCode"] for pod in pods}
    assert codes <= {5, 137}
    assert 137 in codes
    for pod in pods:
        assert pod.starts == 1
        pod.delete()


@pytest.mark.timeout(SECONDS + 240)
def test_jobs_survive_a_seeded_schedule_of_faults(state: StateDir) -> None:
    """TRAINJOB_FAULT_SEED repeats a schedule, and TRAINJOB_FAULT_SECONDS sets its length; see also ``tests.soak``."""
    print(f"seed {SEED}")
    soak = Soak(state, random.Random(SEED), flood=100)
    end, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        number += 1
        soak.round(number)
    print(f"{number} rounds, {dict(soak.outcomes)}, killed {dict(soak.kills)}")
    assert not soak.wrong, f"seed {SEED}: {soak.wrong}"
    assert set(KINDS) & {kind for kinds in soak.kills for kind in kinds.split(" + ")}
