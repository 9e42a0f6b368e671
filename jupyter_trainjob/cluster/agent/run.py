"""The folder of one run of a container, and what can be told from it about its processes.

::

    pods/<uid>/run/<container>/<attempt>/
        alive             locked by the shim as long as it lives
        spec.json         what the shim runs
        pid.json          shim and program: pid, start, boot; none: no part of the program ever ran
        log/              see `logwriter.Log`
        exit.json         how it ended
        grace             how long the program may take to end, once it was asked to
        termination-log root/ error.json shim.err

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

from jupyter_trainjob.cluster.agent import limits, logwriter, processes, shim

START_TOLERANCE = 2.0
KILLED, UNKNOWN = 137, 255
SHIM_LOST, MACHINE_RESTARTED = "ShimLost", "MachineRestarted"
MESSAGES = {
    SHIM_LOST: (
        "the process that looked after this container's program was killed from outside, so its exit code is unknown; "
        "the program was ended. On a computer that is short of memory the kernel may have done this."
    ),
    MACHINE_RESTARTED: "the computer was restarted while this container's program ran, so its exit code is unknown.",
}


class State(enum.Enum):
    """What a run's folder says."""

    NEW = "no part of the program ever ran"
    RUNNING = "the shim lives"
    ENDED = "there is an exit status"
    LOST = "the shim died without one"


class Run:
    """A run's folder. Cheap to make; touches the disk only when asked."""

    def __init__(self, folder: Path, container: str, attempt: int) -> None:
        self.folder = folder
        self.container = container
        self.attempt = attempt
        self.log = folder / "log"
        self.termination_log = folder / "termination-log"
        self.root = folder / "root"
        self.error_file = folder / "error.json"

    def create(self) -> None:
        """Make the folder."""
        for folder in (self.root, self.log):
            folder.mkdir(parents=True, exist_ok=True)
        self.termination_log.touch()

    def pids(self) -> dict[str, Any] | None:
        """Return who runs here."""
        return self._read("pid.json")

    def exit(self) -> dict[str, Any] | None:
        """Return how the program ended."""
        return self._read("exit.json")

    def spec(self) -> dict[str, Any]:
        """Return what the shim was told."""
        return self._read("spec.json") or {}

    def state(self) -> State:
        """Return what the folder says."""
        if self.exit() is not None:
            return State.ENDED
        if self._locked():
            return State.RUNNING
        if self.exit() is not None:  # It ended while we looked.
            return State.ENDED
        return State.LOST if (self.folder / "pid.json").exists() else State.NEW

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

    def ask_stop(self, grace: float) -> bool:
        """Have the shim end the program: SIGTERM, and SIGKILL after `grace` seconds. False: it does not listen yet."""
        with contextlib.suppress(FileNotFoundError):  # the folder may be going
            part = self.folder / "grace.part"
            part.write_text(str(grace))
            part.replace(self.folder / "grace")
        pids = self.pids()
        if pids is None or not self._locked() or not is_same(pids["shim"]):
            return False
        processes.send(pids["shim"]["pid"], signal.SIGTERM)
        return True

    def declare_lost(self) -> None:
        """Where the shim died without leaving an exit status, end what is left of the program and write one."""
        if self.state() is not State.LOST:
            return
        pids = self.pids()
        reason = SHIM_LOST
        if pids is None or pids["shim"].get("boot") != processes.boot():
            reason = MACHINE_RESTARTED
        elif is_same(pids["program"]):
            _kill_tree(pids["program"]["pid"])
        limits.release(self.folder)
        self.write_end(reason, started=(pids or {}).get("started", ""))

    def write_end(self, reason: str, *, started: str = "") -> None:
        """Write the exit status of a run that cannot do so any more."""
        now = logwriter.stamp()
        code = KILLED if reason == SHIM_LOST else UNKNOWN
        end = {"code": code, "signal": 0, "reason": reason, "message": MESSAGES[reason]}
        shim.write_reserved(str(self.folder / "exit.json"), {**end, "started": started or now, "finished": now})

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
        return read_json(self.folder / name)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a document of a folder; None if it is not there, or a power cut left it empty."""
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value


def is_same(identity: dict[str, Any]) -> bool:
    """Return whether the process that a shim wrote down still runs under its pid."""
    if identity.get("boot") != processes.boot():
        return False
    fields = processes.stat_fields(identity["pid"])
    if identity["ticks"] is not None:
        return bool(fields) and int(fields[19]) == identity["ticks"]
    try:
        started = psutil.Process(identity["pid"]).create_time()
    except psutil.Error:
        return False
    return bool(abs(started - identity["time"]) < START_TOLERANCE)


def _kill_tree(leader: int) -> None:
    below = processes.descendants(leader)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for pid in below:
        processes.send(pid, signal.SIGKILL)
