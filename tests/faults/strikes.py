"""What a fault does to an embedded cluster: SIGKILL for its daemon, fork servers, shims and programs.

The agent is a part of the daemon and dies with it. A strike says whose pods it hit, so that a test knows who may fail.
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

from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.agent.run import is_same
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.constants import JOBSET_NAME
from tests.embedded import kill_daemon

DAEMON, FORK_SERVERS, SHIM, PROGRAM = "daemon", "fork servers", "shim", "program"
KINDS: Final = (DAEMON, FORK_SERVERS, SHIM, PROGRAM)


@dataclass(frozen=True)
class Running:
    """A run of a container, by its folder."""

    folder: Path
    pids: dict[str, Any]

    @property
    def job(self) -> str:
        """Return the name of the TrainJob that it belongs to, empty for a pod that has none."""
        with suppress(OSError, ValueError):
            pod = json.loads((self.folder.parents[2] / "pod.json").read_bytes())
            return str((pod["metadata"].get("labels") or {}).get(JOBSET_NAME, ""))
        return ""

    @property
    def lives(self) -> bool:
        """Return whether any of its processes lives."""
        return any(is_same(self.pids[who]) for who in (SHIM, PROGRAM))

    def kill(self, who: str) -> bool:
        """Kill its shim or its program; False if that is gone."""
        if not is_same(self.pids[who]):
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pids[who]["pid"], signal.SIGKILL)
            return True
        return False


def runs(state: StateDir) -> Iterator[Running]:
    """Yield the runs that have begun and, as far as their folders say, not ended."""
    for file in sorted((state.agent / "pods").glob("*/run/*/*/pid.json")):
        if not file.with_name("exit.json").exists():
            with suppress(OSError, ValueError):
                yield Running(file.parent, json.loads(file.read_bytes()))


def strike(state: StateDir, kind: str, chance: random.Random) -> list[str] | None:
    """Kill one of a kind; return the TrainJobs that may fail for it, None if there was nobody to kill."""
    if kind == DAEMON:
        if launch.running(state) is None:
            return None
        kill_daemon(state)
        return []
    if kind == FORK_SERVERS:
        servers = list(fork_servers(state))
        for server in servers:
            with suppress(psutil.Error):
                server.kill()
        return [] if servers else None
    found = list(runs(state))
    chance.shuffle(found)
    return next(([run.job] for run in found if run.kill(kind)), None)


def fork_servers(state: StateDir) -> Iterator[psutil.Process]:
    """Yield the daemon's children that warm pods are forked from."""
    daemon = launch.running(state)
    if daemon is None:
        return
    with suppress(psutil.Error):
        for child in psutil.Process(daemon.pid).children():
            with suppress(psutil.Error):
                if any(word.endswith("forkserver.py") for word in child.cmdline()):
                    yield child
