"""Find the embedded cluster's daemon, or start it; and the transport that does so when the daemon goes away.

Whoever needs the cluster first starts it: a kernel, the command line, a test. Starters race for ``launch.lock`` and
the losers find the winner's daemon. The daemon says that it is ready through a pipe, so nobody polls; only who finds
one that somebody else has started, or that is about to end, looks at `presence` until that is over.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.cluster import presence, settings, surroundings
from jupyter_trainjob.cluster.credentials import write_private
from jupyter_trainjob.cluster.presence import Phase, Running
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, STATE_DIR_ENV
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.transport import Request, Response, Transport

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0

Tell = Callable[[str], None]


def running(state: StateDir) -> Running | None:
    """Return the daemon of `state` if there is one that answers requests."""
    daemon = presence.find(state)
    return daemon if daemon is not None and daemon.phase is Phase.SERVING else None


def ensure(state: StateDir | None = None, *, warm: str = sys.executable, tell: Tell | None = None) -> Path:
    """Return the kubeconfig of the running daemon, starting one if needed.

    `warm` is the interpreter whose framework the new daemon imports ahead of the first job. What the user should know
    of the surroundings goes to `tell` (standard error if None), once for each state folder. Raises
    `errors.ClusterError` if no daemon can be started, or the running one is not for this version or place.
    """
    state = (state or state_dir()).create()
    daemon = running(state)
    if daemon is None:
        with _locked(state.launch_lock):
            daemon = _settled(state)
            if daemon is None:
                settings.load()
                _tell_surroundings(state, tell or _print)
                _start(state, warm)
                daemon = _settled(state)
    if daemon is None:
        raise errors.ClusterError(
            f"The embedded cluster's daemon ended as soon as it had started. Its log: {state.log}"
        )
    presence.check(daemon, state)
    return state.kubeconfig


def stop(state: StateDir | None = None) -> bool:
    """End the daemon; running programs go on in their shims. Returns False if there was none."""
    state = state or state_dir()
    deadline = time.monotonic() + STOP_TIMEOUT
    daemon = presence.find(state)
    while daemon is not None and not daemon.pid and time.monotonic() < deadline:
        time.sleep(0.02)  # It has its lock, and is about to say who it is.
        daemon = presence.find(state)
    if daemon is None:
        return False
    presence.check_reach(daemon, state)
    with state.lock.open("rb") as file:
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
        while not presence.is_free(file):
            if time.monotonic() > deadline:
                message = (
                    f"The embedded cluster (pid {daemon.pid}) did not end within {STOP_TIMEOUT:.0f} s. Its log is "
                    f"{state.log}; `kill -9 {daemon.pid}` ends it without harm to stored objects and running jobs."
                )
                raise errors.ClusterError(message)
            time.sleep(0.02)
    return True


class EmbeddedTransport:
    """A transport to the embedded cluster that starts the daemon again when it is gone.

    One that only `watches` does so for a daemon that was killed; where somebody has ended it, or removed all that it
    had, the requests of those who watch from afar fail until somebody uses it.
    """

    def __init__(self, state: StateDir | None = None, *, warm: str = sys.executable, watches: bool = False) -> None:
        self._state = state or state_dir()
        self._warm = warm
        self._watches = watches
        self._lock = threading.Lock()
        self._inner: Transport | None = None
        self._written = 0
        """When the kubeconfig was written that `_inner` follows: every daemon writes it anew, its port may differ."""

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send the request; if the daemon is gone, start one and try again."""
        inner = self._connected()
        try:
            return inner.send(request, timeout=timeout)
        except errors.ClusterError as error:
            if running(self._state) is not None and request.method == "POST" and not _unsent(error):
                raise  # It may have been carried out: creating twice is worse than an error.
            with self._lock:
                if self._inner is inner:
                    self._inner = None
            return self._connected().send(request, timeout=timeout)

    def _connected(self) -> Transport:
        with self._lock:
            if self._inner is None or _written(self._state.kubeconfig) != self._written:
                # One that is about to end is waited for: it is still there, but is not to be started again.
                if self._watches and _settled(self._state) is None and presence.was_ended(self._state):
                    raise errors.ClusterError("The embedded cluster was stopped; its next use starts it again.")
                kubeconfig = ensure(self._state, warm=self._warm)
                self._written = _written(kubeconfig)
                self._inner = config.transport(kubeconfig=kubeconfig, context=EMBEDDED_CONTEXT)
            return self._inner


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _start(state: StateDir, warm: str) -> None:
    ready, told = os.pipe()
    command = [sys.executable, "-m", "jupyter_trainjob.cluster.daemon", "--ready-fd", str(told), "--warm", warm]
    try:
        with state.log.open("ab") as log:
            begin = log.tell()
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
    except OSError as error:
        os.close(ready)
        raise errors.ClusterError(
            f"The embedded cluster's daemon cannot be started: {error}. It runs {command[0]} and writes to {state.log}."
        ) from error
    finally:
        os.close(told)
    # Reap the daemon if it ends before this process does.
    threading.Thread(target=process.wait, name="trainjob-daemon-reaper", daemon=True).start()
    with os.fdopen(ready, "rb") as pipe:
        answered, _, _ = select.select([pipe], [], [], START_TIMEOUT)
        if answered and pipe.read(1):
            return
    with state.log.open("rb") as log:
        log.seek(begin)
        tail = "\n".join(log.read().decode(errors="replace").splitlines()[-15:])
    why = "ended at once" if answered else f"was not ready after {START_TIMEOUT:.0f} s"
    message = f"The embedded cluster's daemon {why}. The end of its log ({state.log}):\n{tail}"
    raise errors.ClusterError(message)


def _settled(state: StateDir) -> Running | None:
    """Return the daemon that serves, or None for nobody; wait for one that starts, and for the end of one that ends."""
    deadline = time.monotonic() + START_TIMEOUT
    while (daemon := presence.find(state)) is not None and daemon.phase is not Phase.SERVING:
        if time.monotonic() > deadline:
            raise errors.ClusterError(
                f"The embedded cluster's daemon (pid {daemon.pid or 'unknown'}) is {daemon.phase.value} for more than "
                f"{START_TIMEOUT:.0f} s. Its log is {state.log}; `kill -9` ends it without harm to stored objects and "
                "running jobs."
            )
        time.sleep(0.02)
    return daemon


def _tell_surroundings(state: StateDir, tell: Tell) -> None:
    """Tell what ends a daemon early here, and where its files are if not where they are expected: once."""
    try:
        told = set(json.loads(state.told.read_bytes()))
    except (OSError, ValueError, TypeError):
        told = set()
    found = surroundings.look(state.root)
    if state.moved_from is not None:
        found.append(surroundings.moved(state.moved_from, state.root))
    if new := [finding for finding in found if finding.name not in told]:
        for finding in new:
            tell(f"jupyter_trainjob: {finding}")
        names = sorted(told | {finding.name for finding in new})
        with suppress(OSError):
            write_private(state.told, json.dumps(names).encode())


def _print(text: str) -> None:
    print(text, file=sys.stderr)


def _unsent(error: errors.ClusterError) -> bool:
    """Return whether a request failed before it was sent, since nobody listened."""
    from urllib3.exceptions import NewConnectionError

    return isinstance(error.__cause__, NewConnectionError)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
