"""The folder of one pod on this node, and what can be told from it about the pod's processes.

::

    pods/<uid>/pod.json          the pod as it was accepted
               alive             locked by the shim as long as it lives
               spec.json         what the shim runs
               pid.json          shim and program: pid and start; none: no part of the program ever ran
               log/              see `logwriter.Log`
               exit.json         how it ended
               volumes/ hosts termination-log root/

The lock is taken by the agent and inherited by the shim, so that between the two there is no moment without it. All
states that a crash can leave follow from three facts: locked or not, ``pid.json``, ``exit.json``.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import processes, shim

START_TOLERANCE = 2.0


class State(enum.Enum):
    """What a pod's folder says."""

    NEW = "no part of the program ever ran"
    RUNNING = "the shim lives"
    ENDED = "the shim left an exit status"
    LOST = "the shim died without one"


class Sandbox:
    """A pod's folder. Cheap to make; touches the disk only when asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.volumes = folder / "volumes"
        self.hosts = folder / "hosts"
        self.termination_log = folder / "termination-log"
        self.root = folder / "root"

    def create(self, pod: Object) -> None:
        """Make the folder, private to this user."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.volumes, self.root, self.log):
            folder.mkdir(exist_ok=True)
        self.termination_log.touch()
        shim.write_json(str(self.folder / "pod.json"), pod)

    def pod(self) -> Object | None:
        """Return the pod as it was accepted."""
        return self._read("pod.json")

    def pids(self) -> dict[str, Any] | None:
        """Return who runs here."""
        return self._read("pid.json")

    def exit(self) -> dict[str, Any] | None:
        """Return how the program ended."""
        return self._read("exit.json")

    def state(self) -> State:
        """Return what the folder says."""
        if self.exit() is not None:
            return State.ENDED
        if self._locked():
            return State.RUNNING
        if self.exit() is not None:  # It ended while we looked.
            return State.ENDED
        return State.NEW if self.pids() is None else State.LOST

    def claim(self) -> int:
        """Take the lock for a shim that is about to start, and return its descriptor; BlockingIOError if it is held."""
        fd = os.open(self.folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def wait(self) -> None:
        """Return when the shim is gone."""
        with contextlib.suppress(FileNotFoundError), (self.folder / "alive").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def ask_stop(self, grace: float) -> None:
        """Have the shim end the program: SIGTERM, and SIGKILL after `grace` seconds."""
        with contextlib.suppress(FileNotFoundError):  # the folder may be going
            part = self.folder / "grace.part"
            part.write_text(str(grace))
            part.replace(self.folder / "grace")
        pids = self.pids()
        if pids is not None and self._locked() and is_same(pids["shim"]):
            processes.send(pids["shim"]["pid"], signal.SIGTERM)

    def kill_orphans(self) -> None:
        """Kill what is left of the program after its shim was killed."""
        pids = self.pids()
        if pids is None or not is_same(pids["program"]):
            return
        leader = pids["program"]["pid"]
        below = processes.descendants(leader)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        for pid in below:
            processes.send(pid, signal.SIGKILL)

    def termination_message(self) -> str:
        """Return the program's last words, as much as kubelet takes."""
        with contextlib.suppress(OSError), self.termination_log.open("rb") as file:
            return file.read(4096).decode(errors="replace")
        return ""

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _locked(self) -> bool:
        with contextlib.suppress(FileNotFoundError), (self.folder / "alive").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return value


def is_same(identity: dict[str, Any]) -> bool:
    """Return whether the process that a shim wrote down still runs under its pid."""
    fields = processes.stat_fields(identity["pid"])
    if identity["ticks"] is not None:
        return bool(fields) and int(fields[19]) == identity["ticks"]
    try:
        started = psutil.Process(identity["pid"]).create_time()
    except psutil.Error:
        return False
    return bool(abs(started - identity["time"]) < START_TOLERANCE)
