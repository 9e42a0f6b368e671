"""An embedded cluster of a test's own: a state folder, and a daemon that is ended with everything it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from jupyter_trainjob.client import context
from jupyter_trainjob.client.queries import list_jobs
from jupyter_trainjob.cluster.daemon import daemon_status, launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.waiting import wait_for


@contextmanager
def embedded_cluster(folder: Path) -> Iterator[StateDir]:
    """Point this process (and the kernels that it starts) at a state folder of its own; end what ran there after."""
    before = os.environ.get(STATE_DIR_ENV)
    os.environ[STATE_DIR_ENV] = str(folder)
    context.forget_connections()
    state = StateDir(folder)
    try:
        yield state
    finally:
        try:
            if launcher.running_daemon(state) is not None:
                for job in list_jobs():
                    job.delete()
                _wait_until_no_pod_runs(state)
        finally:
            launcher.stop(state)
        context.forget_connections()
        if before is None:
            del os.environ[STATE_DIR_ENV]
        else:
            os.environ[STATE_DIR_ENV] = before
    # The fork servers see the daemon's end and follow it.
    wait_for(lambda: not processes_of(state))


def kill_daemon(state: StateDir) -> int:
    """Kill the daemon with -9 and return its pid."""
    daemon = launcher.running_daemon(state)
    assert daemon is not None
    os.kill(daemon.pid, signal.SIGKILL)
    with state.lock.open("rb") as lock:
        wait_for(lambda: daemon_status.is_unlocked(lock))
    return daemon.pid


def processes_of(state: StateDir) -> list[psutil.Process]:
    """Return the processes that belong to a state folder, by what their command line or environment says."""
    processes = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.environ().get(STATE_DIR_ENV, "")]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(state.root) in word for word in words) and _ours(process):
            processes.append(process)
    return processes


def _wait_until_no_pod_runs(state: StateDir) -> None:
    pods = state.agent / "pods"
    wait_for(lambda: not pods.exists() or not any(pods.iterdir()))


def _ours(process: psutil.Process) -> bool:
    return any("jupyter_trainjob" in word or "forkserver" in word or "shim" in word for word in process.cmdline())
