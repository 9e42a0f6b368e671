"""Whether a daemon is there, which one, and how far it is: what its lock and ``daemon.json`` say.

A daemon runs exactly while it holds its lock, which the kernel takes from it at the latest with its life. The file
beside says who it is. It may be older than the lock for a moment, or be the last word of a daemon that was killed; so
it counts only for the process that it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.agent import processes
from jupyter_trainjob.cluster.credentials import write_private
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.constants import VERSION

FORMAT = 1
"""Of what daemon and clients share: state folder, history database, API. A version that changes one counts this up."""


class Phase(str, enum.Enum):
    """How far a daemon is."""

    STARTING = "starting"
    SERVING = "serving"
    ENDING = "ending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A daemon, as it describes itself."""

    pid: int = 0
    port: int = 0
    version: str = ""
    format: int = 0
    phase: Phase = Phase.STARTING
    ticks: int | None = None
    """When the process started, by its kernel: tells it from a later process with its pid."""
    boot: str = ""
    network: int = 0
    """Its network namespace: whoever is in another one cannot reach its loopback address."""


def find(state: StateDir) -> Running | None:
    """Return the daemon of `state`, in whatever phase; None if there is none."""
    try:
        with state.lock.open("rb") as file:
            if is_free(file):
                return None
    except FileNotFoundError:
        return None
    said = last(state)
    if said is None:
        return Running()
    if (said.boot, said.network) == (processes.boot(), _network()) and not _lives(said):
        return Running(port=said.port)  # Its successor has the lock, and has not said anything yet.
    return said


def was_ended(state: StateDir) -> bool:
    """Whether there is no daemon, and none was killed: it has ended in order, or there never was one."""
    said = last(state)
    return find(state) is None and (said is None or said.phase is Phase.ENDING)


def last(state: StateDir) -> Running | None:
    """Return what the last daemon said of itself, be it there or not."""
    try:
        said: dict[str, Any] = json.loads(state.daemon.read_bytes())
        known = {field.name for field in dataclasses.fields(Running)}
        # What a later version adds is none of our business.
        found = {name: value for name, value in said.items() if name in known}
        return Running(**{**found, "phase": Phase(found["phase"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def check(daemon: Running, state: StateDir) -> None:
    """Raise `errors.ClusterError` where this process cannot work with that daemon."""
    check_reach(daemon, state)
    if daemon.format != FORMAT:
        todo = (
            "`jupyter trainjob cluster stop` ends it; running jobs go on, and the next use starts this version"
            if daemon.format < FORMAT
            else f"Install jupyter_trainjob {daemon.version} here too, or set TRAINJOB_STATE_DIR to another folder here"
        )
        raise errors.ClusterError(
            f"The running embedded cluster is of version {daemon.version} (format {daemon.format}); this is version "
            f"{VERSION} (format {FORMAT}), and the two do not understand each other. {todo}."
        )


def check_reach(daemon: Running, state: StateDir) -> None:
    """Raise `errors.ClusterError` where that daemon is out of this process's reach."""
    if daemon.boot != processes.boot():
        raise errors.ClusterError(
            f"The embedded cluster of {state.root} runs on another computer, which shares that folder with this one. "
            "Set TRAINJOB_STATE_DIR to a folder on a local disk."
        )
    if daemon.network != _network():
        raise errors.ClusterError(
            f"The embedded cluster of {state.root} runs in another container (or outside of this one), which shares "
            "that folder with this one, and cannot be reached from here. Stop it there with `jupyter trainjob cluster "
            "stop`, or set TRAINJOB_STATE_DIR to another folder here."
        )


class Claim:
    """A daemon's hold of a state folder."""

    def __init__(self, state: StateDir, lock: IO[bytes]) -> None:
        self._state = state
        self._lock = lock
        before = last(state)
        self.port = before.port if before else 0
        """That of the last daemon, later our own."""
        self.say(Phase.STARTING)

    def bequeath(self) -> int:
        """Let the program that this process becomes keep the lock; return the descriptor that it is to be told."""
        os.set_inheritable(self._lock.fileno(), True)
        return self._lock.fileno()

    def say(self, phase: Phase, *, port: int | None = None) -> None:
        """Tell how far this daemon is."""
        self.port = self.port if port is None else port
        me = processes.identity(os.getpid())
        said = Running(
            pid=me["pid"],
            port=self.port,
            version=VERSION,
            format=FORMAT,
            phase=phase,
            ticks=me["ticks"],
            boot=me["boot"],
            network=_network(),
        )
        write_private(self._state.daemon, json.dumps(dataclasses.asdict(said)).encode())


@contextmanager
def claim(state: StateDir, *, patience: float, inherited: int | None = None) -> Iterator[Claim | None]:
    """Hold `state` for a daemon; None if another one keeps it, also after `patience` seconds of its ending.

    `inherited` is the descriptor of a lock that this process had already, see `Claim.bequeath`.
    """
    with state.lock.open("ab") if inherited is None else open(inherited, "ab") as lock:  # noqa: PTH123 - a descriptor
        os.set_inheritable(lock.fileno(), False)
        deadline = time.monotonic() + patience
        while not _taken(lock):
            holder = find(state)
            if (holder is not None and holder.phase is not Phase.ENDING) or time.monotonic() > deadline:
                yield None
                return
            time.sleep(0.02)
        yield Claim(state, lock)


def is_free(file: IO[bytes]) -> bool:
    """Return whether nobody holds the lock of `file`."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _taken(lock: IO[bytes]) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _lives(said: Running) -> bool:
    if processes.identity(said.pid)["ticks"] != said.ticks:
        return False
    try:
        os.kill(said.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _network() -> int:
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0
