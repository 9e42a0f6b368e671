"""Faults of an embedded cluster: SIGKILL for its daemon, fork servers, shims and programs.

The agent runs in the daemon and ends with it. A strike returns the jobs that it hit, which may fail.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from jupyter_trainjob.cluster.agent.containers.container_run import is_alive
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import JOBSET_NAME
from tests.embedded import kill_daemon

DAEMON, FORK_SERVERS, SHIM, PROGRAM = "daemon", "fork servers", "shim", "program"
KINDS: Final = (DAEMON, FORK_SERVERS, SHIM, PROGRAM)


@dataclass(frozen=True)
class Running:
    """A running container, identified by its folder."""

    folder: Path
    pids: dict[str, Any]

    @property
    def job(self) -> str:
        """Return the name of its TrainJob, empty for a pod without one."""
        with suppress(OSError, ValueError):
            pod = json.loads((self.folder.parents[2] / "pod.json").read_bytes())
            return str((pod["metadata"].get("labels") or {}).get(JOBSET_NAME, ""))
        return ""

    @property
    def lives(self) -> bool:
        """Return whether any of its processes is running."""
        return any(is_alive(self.pids[process]) for process in (SHIM, PROGRAM))

    def kill(self, process: str) -> bool:
        """Kill its shim or its program; return False if it has ended already."""
        if not is_alive(self.pids[process]):
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pids[process]["pid"], signal.SIGKILL)
            return True
        return False


def runs(state: StateDir) -> Iterator[Running]:
    """Yield the containers whose folders show a start and no end."""
    for file in sorted((state.agent / "pods").glob("*/run/*/*/pid.json")):
        if not file.with_name("exit.json").exists():
            with suppress(OSError, ValueError):
                yield Running(file.parent, json.loads(file.read_bytes()))


def strike(state: StateDir, kind: str, chance: random.Random) -> list[str] | None:
    """Kill one process of a kind; return the TrainJobs that may fail because of it, or None without such a process."""
    if kind == DAEMON:
        if launcher.running_daemon(state) is None:
            return None
        kill_daemon(state)
        return []
    if kind == FORK_SERVERS:
        servers = list(fork_servers(state))
        for server in servers:
            with suppress(psutil.Error):
                server.kill()
        return [] if servers else None
    running = list(runs(state))
    chance.shuffle(running)
    return next(([run.job] for run in running if run.kill(kind)), None)


def fork_servers(state: StateDir) -> Iterator[psutil.Process]:
    """Yield the daemon's children that warm pods are forked from."""
    daemon = launcher.running_daemon(state)
    if daemon is None:
        return
    with suppress(psutil.Error):
        for child in psutil.Process(daemon.pid).children():
            with suppress(psutil.Error):
                if any(word.endswith("forkserver.py") for word in child.cmdline()):
                    yield child
