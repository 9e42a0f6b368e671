"""Find the running daemon, with its address and phase, from its lock and ``daemon.json``.

A daemon runs exactly while it holds its lock, which the kernel releases when the process ends. ``daemon.json``
describes the daemon. It may be older than the lock for a moment, or be from a daemon that was killed, so it counts only
while the process that it names is alive.
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
from jupyter_trainjob.cluster.agent.shim import processes
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.cluster.state.tls_credentials import write_private
from jupyter_trainjob.constants import VERSION

FORMAT = 1
"""Version of what daemon and clients share: state folder, history database, API. Increment it with each change."""


class Phase(str, enum.Enum):
    """The life cycle phase of a daemon."""

    STARTING = "starting"
    SERVING = "serving"
    ENDING = "ending"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonInfo:
    """The contents of ``daemon.json``; all defaults while a daemon has not written it yet."""

    pid: int = 0
    port: int = 0
    version: str = ""
    format: int = 0
    phase: Phase = Phase.STARTING
    ticks: int | None = None
    """Start time of the process in clock ticks since boot, which distinguishes it from a later process with its pid."""
    boot: str = ""
    network: int = 0
    """Inode of its network namespace: its loopback address is not reachable from another one."""


def find_daemon(state: StateDir) -> DaemonInfo | None:
    """Return the daemon of `state`, in any phase; None if none runs."""
    try:
        with state.lock.open("rb") as file:
            if is_unlocked(file):
                return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    info = read_daemon_info(state)
    if info is None:
        return DaemonInfo()
    if (info.boot, info.network) == (processes.boot_id(), _network_namespace()) and not _is_alive(info):
        return DaemonInfo(port=info.port)  # a successor holds the lock and has not written the file yet
    return info


def ended_normally(state: StateDir) -> bool:
    """Return whether no daemon runs and the last one, if any, was not killed."""
    info = read_daemon_info(state)
    return find_daemon(state) is None and (info is None or info.phase is Phase.ENDING)


def read_daemon_info(state: StateDir) -> DaemonInfo | None:
    """Return the contents of ``daemon.json``, of a running or an earlier daemon; None if missing or malformed."""
    try:
        document: dict[str, Any] = json.loads(state.daemon.read_bytes())
        names = {field.name for field in dataclasses.fields(DaemonInfo)}
        # Fields of later versions are ignored.
        values = {name: value for name, value in document.items() if name in names}
        return DaemonInfo(**{**values, "phase": Phase(values["phase"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def check_compatible(daemon: DaemonInfo, state: StateDir) -> None:
    """Raise `errors.ClusterError` if the daemon is unreachable or has another format."""
    check_reachable(daemon, state)
    if daemon.format != FORMAT:
        remedy = (
            "`jupyter trainjob cluster stop` ends it; running jobs go on, and the next use starts this version"
            if daemon.format < FORMAT
            else f"Install jupyter_trainjob {daemon.version} here too, or set TRAINJOB_STATE_DIR to another folder here"
        )
        raise errors.ClusterError(
            f"The running embedded cluster is of version {daemon.version} (format {daemon.format}); this is version "
            f"{VERSION} (format {FORMAT}), which is incompatible. {remedy}."
        )


def check_reachable(daemon: DaemonInfo, state: StateDir) -> None:
    """Raise `errors.ClusterError` if the daemon is on another computer or in another network namespace."""
    if daemon.boot != processes.boot_id():
        raise errors.ClusterError(
            f"The embedded cluster of {state.root} runs on another computer, which shares that folder with this one. "
            "Set TRAINJOB_STATE_DIR to a folder on a local disk."
        )
    if daemon.network != _network_namespace():
        raise errors.ClusterError(
            f"The embedded cluster of {state.root} runs in another container (or outside of this one), which shares "
            "that folder with this one, and cannot be reached from here. Stop it there with `jupyter trainjob cluster "
            "stop`, or set TRAINJOB_STATE_DIR to another folder here."
        )


class Claim:
    """A daemon's exclusive claim to a state folder; publishes its phase in ``daemon.json``."""

    def __init__(self, state: StateDir, lock: IO[bytes]) -> None:
        self._state = state
        self._lock = lock
        previous = read_daemon_info(state)
        self.port = previous.port if previous else 0
        """The port of the last daemon, then that of this one."""
        self.publish(Phase.STARTING)

    def make_inheritable(self) -> int:
        """Keep the lock across ``exec``; return its file descriptor, to be passed to the new program."""
        os.set_inheritable(self._lock.fileno(), True)
        return self._lock.fileno()

    def publish(self, phase: Phase, *, port: int | None = None) -> None:
        """Write phase and port to ``daemon.json``."""
        self.port = self.port if port is None else port
        identity = processes.identity(os.getpid())
        info = DaemonInfo(
            pid=identity["pid"],
            port=self.port,
            version=VERSION,
            format=FORMAT,
            phase=phase,
            ticks=identity["ticks"],
            boot=identity["boot"],
            network=_network_namespace(),
        )
        write_private(self._state.daemon, json.dumps(dataclasses.asdict(info)).encode())


@contextmanager
def claim_state_dir(state: StateDir, *, timeout: float, inherited: int | None = None) -> Iterator[Claim | None]:
    """Lock `state` for a daemon; yield None if another daemon holds it.

    Waits at most `timeout` seconds for a daemon that is ending. `inherited` is the descriptor of a lock that this
    process holds already, see `Claim.make_inheritable`.
    """
    with state.lock.open("ab") if inherited is None else open(inherited, "ab") as lock:  # noqa: PTH123 - a descriptor
        os.set_inheritable(lock.fileno(), False)
        deadline = time.monotonic() + timeout
        while not try_lock(lock):
            holder = find_daemon(state)
            if (holder is not None and holder.phase is not Phase.ENDING) or time.monotonic() > deadline:
                yield None
                return
            time.sleep(0.02)
        yield Claim(state, lock)


def is_unlocked(file: IO[bytes]) -> bool:
    """Return whether no process holds an exclusive lock on `file`."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def try_lock(lock: IO[bytes]) -> bool:
    """Take the exclusive lock of a file without waiting, and return whether that succeeded."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _is_alive(info: DaemonInfo) -> bool:
    if processes.identity(info.pid)["ticks"] != info.ticks:
        return False
    try:
        os.kill(info.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _network_namespace() -> int:
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0
