"""The folder of one run of a container, and the state of its processes.

::

    pods/<uid>/run/<container>/<attempt>/
        alive             locked by the shim while it lives
        spec.json         what the shim runs
        pid.json          shim and program: pid, start, boot; missing: the program never ran
        log/              see `log_writer.LogWriter`
        exit.json         how it ended
        grace             the grace period in seconds of a stop request
        termination-log root/ error.json shim.err

The lock is acquired by the agent and inherited by the shim, without a gap. The state after any crash follows from three
facts: the lock, ``pid.json`` and ``exit.json``.
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

from jupyter_trainjob.cluster.agent.limits import container_limits
from jupyter_trainjob.cluster.agent.shim import log_writer, processes, shim

START_TOLERANCE = 2.0
KILLED, UNKNOWN = 137, 255
SHIM_LOST, MACHINE_RESTARTED = "ShimLost", "MachineRestarted"
MESSAGES = {
    SHIM_LOST: (
        "the shim process of this container was killed by another process, so the exit code is unknown; "
        "the program was ended. On a computer that is short of memory the kernel may have done this."
    ),
    MACHINE_RESTARTED: (
        "the computer was restarted while this container's program was running, so its exit code is unknown."
    ),
}


class State(enum.Enum):
    """The state of a run."""

    NEW = "no part of the program ever ran"
    RUNNING = "the shim lives"
    ENDED = "there is an exit status"
    LOST = "the shim died without one"


class Run:
    """The folder of a run. Construction does not access the disk."""

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
        """Return ``pid.json``, None if missing."""
        return self._read("pid.json")

    def exit(self) -> dict[str, Any] | None:
        """Return ``exit.json``, None if missing."""
        return self._read("exit.json")

    def spec(self) -> dict[str, Any]:
        """Return ``spec.json``, empty if missing."""
        return self._read("spec.json") or {}

    def state(self) -> State:
        """Return the state of the run."""
        if self.exit() is not None:
            return State.ENDED
        if self._locked():
            return State.RUNNING
        if self.exit() is not None:  # it has ended meanwhile
            return State.ENDED
        return State.LOST if (self.folder / "pid.json").exists() else State.NEW

    def acquire_lock(self) -> int:
        """Acquire the lock for a new shim; return its descriptor. Raises BlockingIOError if it is held."""
        fd = os.open(self.folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def wait(self) -> None:
        """Block until the shim has ended."""
        with contextlib.suppress(FileNotFoundError), (self.folder / "alive").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    def request_stop(self, grace: float) -> bool:
        """Request SIGTERM, and SIGKILL after `grace` seconds. Returns False if the shim is not ready for it yet."""
        with contextlib.suppress(FileNotFoundError):  # the folder may be being removed
            part = self.folder / "grace.part"
            part.write_text(str(grace))
            part.replace(self.folder / "grace")
        pids = self.pids()
        if pids is None or not self._locked() or not is_alive(pids["shim"]):
            return False
        processes.send_signal(pids["shim"]["pid"], signal.SIGTERM)
        return True

    def declare_lost(self) -> None:
        """If the shim died without an exit status, kill the program and write one."""
        if self.state() is not State.LOST:
            return
        pids = self.pids()
        reason = SHIM_LOST
        if pids is None or pids["shim"].get("boot") != processes.boot_id():
            reason = MACHINE_RESTARTED
        elif is_alive(pids["program"]):
            _kill_tree(pids["program"]["pid"])
        container_limits.remove_groups(self.folder)
        self.write_end(reason, started=(pids or {}).get("started", ""))

    def write_end(self, reason: str, *, started: str = "") -> None:
        """Write the exit status of a run whose shim cannot."""
        now = log_writer.current_timestamp()
        code = KILLED if reason == SHIM_LOST else UNKNOWN
        end = {"code": code, "signal": 0, "reason": reason, "message": MESSAGES[reason]}
        shim.write_reserved(str(self.folder / "exit.json"), {**end, "started": started or now, "finished": now})

    def termination_message(self) -> str:
        """Return the termination message, at most 4096 bytes as in kubelet."""
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
    """Return a JSON document; None if it is missing, or empty after a power cut."""
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value


def is_alive(identity: dict[str, Any]) -> bool:
    """Return whether the process of a recorded identity still runs."""
    if identity.get("boot") != processes.boot_id():
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
        processes.send_signal(pid, signal.SIGKILL)
