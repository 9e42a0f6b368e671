"""Uninstall the embedded cluster: its daemon, containers and files.

Works on files and processes only, so that it also works if no daemon can start. Other files in the state folder stay.
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
from jupyter_trainjob.cluster.agent.containers.container_run import Run, State
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.shim import processes
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir

GRACE_SECONDS = 2.0
"""Seconds between SIGTERM and SIGKILL: no time to write checkpoints."""
KILL_SECONDS = 10.0


@dataclass(frozen=True)
class Installation:
    """What `uninstall` deletes: files and folders, and the number of running containers."""

    paths: tuple[Path, ...]
    containers: int


def find_installation(state: StateDir) -> Installation | None:
    """Return what is installed in a state folder; None if nothing is."""
    # A folder called `cluster` belongs to the daemon only if it contains its files.
    paths = [state.cluster] if any(path.exists() for path in (state.lock, state.store, state.log)) else []
    paths += sorted(state.root.glob(f"{state.history.name}*"))
    return Installation(tuple(paths), len(running_containers(state))) if paths else None


def uninstall(state: StateDir) -> None:
    """Stop and delete everything. Raises `errors.ClusterError` if a process or a file remains."""
    installation = find_installation(state)
    if installation is None:
        return
    launcher.stop(state)
    stop_containers(state)
    try:
        for path in installation.paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise errors.ClusterError(
            f"{state.root} cannot be removed: {error}. Nothing runs in it any more; remove it by hand."
        ) from error
    with contextlib.suppress(OSError):  # it contains other files, or is a mount point
        state.root.rmdir()


def running_containers(state: StateDir) -> list[Run]:
    """Return the runs of running containers."""
    pods = [Sandbox(folder) for folder in state.agent.glob("pods/*")]
    return [run for pod in pods for run in pod.all_runs() if run.state() is State.RUNNING]


def stop_containers(state: StateDir) -> None:
    """Stop all containers with SIGTERM, then SIGKILL. Raises `errors.ClusterError` if some keep running."""
    for run in running_containers(state):
        run.request_stop(GRACE_SECONDS)
    _wait_until(lambda: not running_containers(state), GRACE_SECONDS + KILL_SECONDS)
    for run in running_containers(state):  # its shim did not respond
        pids = run.pids()
        if pids is not None:
            processes.send_signal(pids["shim"]["pid"], signal.SIGKILL)
    if not _wait_until(lambda: not running_containers(state), KILL_SECONDS):
        folders = ", ".join(str(run.folder) for run in running_containers(state))
        raise errors.ClusterError(
            f"Containers of the embedded cluster do not end, even on SIGKILL: {folders}. A device or a network "
            "file system holds them. Nothing was removed; try again later."
        )
    for pod in (Sandbox(folder) for folder in state.agent.glob("pods/*")):
        for run in pod.all_runs():
            run.declare_lost()  # ends processes that a killed shim left
        pod.remove()  # with its in-memory volumes, which are outside the state folder


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
