"""Takes the embedded cluster off this computer: daemon, programs, and everything that it keeps.

Works on files and processes alone, so that it also helps where no daemon can start any more. What the state folder
holds beside the cluster's own entries is somebody else's, and stays.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.agent import processes
from jupyter_trainjob.cluster.agent.run import Run, State
from jupyter_trainjob.cluster.agent.sandbox import Sandbox
from jupyter_trainjob.cluster.state import StateDir

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL: who cleans does not wait for checkpoints."""
PATIENCE = 10.0


@dataclass(frozen=True)
class Found:
    """What `remove` would take away."""

    paths: tuple[Path, ...]
    programs: int


def look(state: StateDir) -> Found | None:
    """Return what is there; None if there is nothing."""
    # A folder called `cluster` is only ours if a daemon has locked or stored something in it.
    ours = [state.cluster] if any(path.exists() for path in (state.lock, state.store, state.log)) else []
    ours += sorted(state.root.glob(f"{state.history.name}*"))
    return Found(tuple(ours), len(running(state))) if ours else None


def remove(state: StateDir) -> None:
    """End everything and remove it. Raises `errors.ClusterError` if something does not end or cannot be removed."""
    found = look(state)
    if found is None:
        return
    launch.stop(state)
    end_programs(state)
    try:
        for path in found.paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise errors.ClusterError(
            f"{state.root} cannot be removed: {error}. Nothing runs in it any more; remove it by hand."
        ) from error
    with contextlib.suppress(OSError):  # It holds something else, or is a mount.
        state.root.rmdir()


def running(state: StateDir) -> list[Run]:
    """Return the runs of containers that go on."""
    pods = [Sandbox(folder) for folder in state.agent.glob("pods/*")]
    return [run for pod in pods for run in pod.all_runs() if run.state() is State.RUNNING]


def end_programs(state: StateDir) -> None:
    """End every program and what it started, with SIGTERM, soon after with SIGKILL."""
    for run in running(state):
        run.ask_stop(GRACE)
    _wait(lambda: not running(state), GRACE + PATIENCE)
    for run in running(state):  # Its shim does not listen.
        pids = run.pids()
        if pids is not None:
            processes.send(pids["shim"]["pid"], signal.SIGKILL)
    if not _wait(lambda: not running(state), PATIENCE):
        left = ", ".join(str(run.folder) for run in running(state))
        raise errors.ClusterError(
            f"Programs of the embedded cluster do not end, even on SIGKILL: {left}. A device or a network file system "
            "holds them. Nothing was removed; try again later."
        )
    for pod in (Sandbox(folder) for folder in state.agent.glob("pods/*")):
        for run in pod.all_runs():
            run.declare_lost()  # Ends what a killed shim left.
        pod.remove()  # With its volumes in memory, which lie elsewhere.


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
