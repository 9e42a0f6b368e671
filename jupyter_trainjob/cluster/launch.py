"""Find the embedded cluster's daemon, or start it; and the transport that does so when the daemon goes away.

Whoever needs the cluster first starts it: a kernel, the command line, a test. Starters race for ``launch.lock`` and
the losers find the winner's daemon. The daemon says that it is ready through a pipe, so nobody polls.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, STATE_DIR_ENV
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.transport import Request, Response, Transport

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A running daemon, as it describes itself."""

    pid: int
    port: int
    version: str


def running(state: StateDir) -> Running | None:
    """Return the daemon of `state`, or None. A daemon runs exactly while it holds its lock."""
    try:
        with state.lock.open("rb") as file:
            if is_free(file):
                return None
        return Running(**json.loads(state.daemon.read_bytes()))
    except (FileNotFoundError, ValueError):
        return None


def ensure(state: StateDir | None = None, *, warm: str = sys.executable) -> Path:
    """Return the kubeconfig of the running daemon, starting one if needed.

    `warm` is the interpreter whose framework the new daemon imports ahead of the first job. Raises
    `errors.ClusterError` if no daemon can be started.
    """
    state = (state or state_dir()).create()
    if running(state) is None:
        with _locked(state.launch_lock):
            if running(state) is None:
                _start(state, warm)
    return state.kubeconfig


def stop(state: StateDir | None = None) -> bool:
    """End the daemon; running programs go on in their shims. Returns False if there was none."""
    state = state or state_dir()
    daemon = running(state)
    if daemon is None:
        return False
    with state.lock.open("rb") as file:
        os.kill(daemon.pid, signal.SIGTERM)
        if not _lock_within(file, STOP_TIMEOUT):
            message = (
                f"The embedded cluster (pid {daemon.pid}) did not end within {STOP_TIMEOUT:.0f} s. Its log is "
                f"{state.log}; `kill -9 {daemon.pid}` ends it without harm to stored objects and running jobs."
            )
            raise errors.ClusterError(message)
    return True


class EmbeddedTransport:
    """A transport to the embedded cluster that starts the daemon again when it is gone."""

    def __init__(self, state: StateDir | None = None) -> None:
        self._state = state or state_dir()
        self._lock = threading.Lock()
        self._inner: Transport | None = None

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send the request; if the daemon is gone, start one and try again."""
        inner = self._connected()
        try:
            return inner.send(request, timeout=timeout)
        except errors.ClusterError:
            if running(self._state) is not None and request.method == "POST":
                raise  # It may have been carried out: creating twice is worse than an error.
            with self._lock:
                if self._inner is inner:
                    self._inner = None
            return self._connected().send(request, timeout=timeout)

    def _connected(self) -> Transport:
        with self._lock:
            if self._inner is None:
                self._inner = config.transport(kubeconfig=ensure(self._state), context=EMBEDDED_CONTEXT)
            return self._inner


def _start(state: StateDir, warm: str) -> None:
    ready, told = os.pipe()
    command = [sys.executable, "-m", "jupyter_trainjob.cluster.daemon", "--ready-fd", str(told), "--warm", warm]
    try:
        with state.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=state.cluster,
                env={**os.environ, STATE_DIR_ENV: str(state.root)},
                pass_fds=(told,),
                start_new_session=True,
            )
    finally:
        os.close(told)
    # Reap the daemon if it ends before this process does.
    threading.Thread(target=process.wait, name="trainjob-daemon-reaper", daemon=True).start()
    with os.fdopen(ready, "rb") as pipe:
        answered, _, _ = select.select([pipe], [], [], START_TIMEOUT)
        if answered and pipe.read(1):
            return
    tail = "\n".join(state.log.read_text(errors="replace").splitlines()[-15:])
    why = "ended at once" if answered else f"was not ready after {START_TIMEOUT:.0f} s"
    message = f"The embedded cluster's daemon {why}. The end of its log ({state.log}):\n{tail}"
    raise errors.ClusterError(message)


def is_free(file: IO[bytes]) -> bool:
    """Return whether nobody holds the lock of `file`."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _lock_within(file: IO[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_free(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
