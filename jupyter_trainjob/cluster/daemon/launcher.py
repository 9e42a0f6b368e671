"""Find or start the daemon; and a transport that restarts it.

The first process that needs the cluster starts it: a kernel, the command line, a test. Starters serialise on
``launch.lock``, and the later ones find the daemon of the first. The daemon signals through a pipe that it is ready.
Only a process that finds a daemon starting or ending polls `daemon_status`.
"""

from __future__ import annotations

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
from jupyter_trainjob.cluster.daemon import daemon_status
from jupyter_trainjob.cluster.daemon.daemon_status import DaemonInfo, Phase
from jupyter_trainjob.cluster.state import cluster_settings, host_environment
from jupyter_trainjob.cluster.state.state_dir import StateDir, state_dir
from jupyter_trainjob.cluster.state.tls_credentials import write_private
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.transport import Request, Response, Transport

NEVER_STARTED = "No local cluster is running. It starts with your first job."
NOT_RUNNING = "The local cluster is not running; its jobs are kept. Its next use starts it."
START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0

Notify = Callable[[str], None]


def running_daemon(state: StateDir) -> DaemonInfo | None:
    """Return the daemon of `state` if it is serving requests."""
    daemon = daemon_status.find_daemon(state)
    return daemon if daemon is not None and daemon.phase is Phase.SERVING else None


def ensure_daemon(state: StateDir | None = None, *, warm: str = sys.executable, notify: Notify | None = None) -> Path:
    """Return the kubeconfig of the running daemon, starting one if needed.

    `warm` is the interpreter for which the new daemon starts a fork server. Findings about the host are passed to
    `notify` (standard error if None), once for each state folder. Raises `errors.ClusterError` if the daemon cannot be
    started, is incompatible or unreachable, and `errors.UsageError` for invalid settings.
    """
    state = (state or state_dir()).create()
    daemon = running_daemon(state)
    if daemon is None:
        with _file_lock(state.launch_lock):
            daemon = _wait_until_settled(state)
            if daemon is None:
                cluster_settings.load_settings()
                _report_findings(state, notify or _print_error)
                _start_daemon(state, warm)
                daemon = _wait_until_settled(state)
    if daemon is None:
        raise errors.ClusterError(
            f"The embedded cluster's daemon ended as soon as it had started. Its log: {state.log}"
        )
    daemon_status.check_compatible(daemon, state)
    return state.kubeconfig


def stop(state: StateDir | None = None) -> bool:
    """Stop the daemon; containers keep running in their shims. Returns False if no daemon runs."""
    state = state or state_dir()
    deadline = time.monotonic() + STOP_TIMEOUT
    daemon = daemon_status.find_daemon(state)
    while daemon is not None and not daemon.pid and time.monotonic() < deadline:
        time.sleep(0.02)  # it holds its lock, and has not written its pid yet
        daemon = daemon_status.find_daemon(state)
    if daemon is None:
        return False
    daemon_status.check_reachable(daemon, state)
    with state.lock.open("rb") as file:
        with suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
        while not daemon_status.is_unlocked(file):
            if time.monotonic() > deadline:
                message = (
                    f"The embedded cluster (pid {daemon.pid}) did not end within {STOP_TIMEOUT:.0f} s. Its log is "
                    f"{state.log}; `kill -9 {daemon.pid}` ends it without harm to stored objects and running jobs."
                )
                raise errors.ClusterError(message)
            time.sleep(0.02)
    return True


class EmbeddedTransport:
    """A transport to the embedded cluster that starts the daemon if none runs.

    With `watches` it restarts only a daemon that was killed. After the daemon was stopped or uninstalled, requests fail
    until another process starts it.
    """

    def __init__(self, state: StateDir | None = None, *, warm: str = sys.executable, watches: bool = False) -> None:
        self._state = state or state_dir()
        self._warm = warm
        self._watches = watches
        self._lock = threading.Lock()
        self._inner: Transport | None = None
        self._kubeconfig_modified = 0
        """Modification time of the kubeconfig that `_inner` uses: every daemon rewrites it, and its port may differ."""

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send the request; if no daemon answers, start one and try again."""
        inner = self._connected()
        try:
            return inner.send(request, timeout=timeout)
        except errors.ClusterError as error:
            if running_daemon(self._state) is not None and request.method == "POST" and not _was_not_sent(error):
                raise  # It may have succeeded, and a POST is not idempotent.
            with self._lock:
                if self._inner is inner:
                    self._inner = None
            return self._connected().send(request, timeout=timeout)

    def _connected(self) -> Transport:
        with self._lock:
            if self._inner is None or _modified_at(self._state.kubeconfig) != self._kubeconfig_modified:
                # Wait for a daemon that is ending before checking whether it was stopped.
                if (
                    self._watches
                    and _wait_until_settled(self._state) is None
                    and daemon_status.ended_normally(self._state)
                ):
                    raise errors.ClusterError(
                        NOT_RUNNING if daemon_status.read_daemon_info(self._state) else NEVER_STARTED
                    )
                kubeconfig = ensure_daemon(self._state, warm=self._warm)
                self._kubeconfig_modified = _modified_at(kubeconfig)
                self._inner = kubeconfig_file.embedded_transport(kubeconfig)
            return self._inner


def _modified_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _start_daemon(state: StateDir, warm: str) -> None:
    read_end, write_end = os.pipe()
    command = [
        sys.executable,
        "-m",
        "jupyter_trainjob.cluster.daemon.main",
        "--ready-fd",
        str(write_end),
        "--warm",
        warm,
    ]
    try:
        with state.log.open("ab") as log:
            log_offset = log.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=state.cluster,
                env={**os.environ, STATE_DIR_ENV: str(state.root)},
                pass_fds=(write_end,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(read_end)
        raise errors.ClusterError(
            f"The embedded cluster's daemon cannot be started: {error}. It runs {command[0]} and writes to {state.log}."
        ) from error
    finally:
        os.close(write_end)
    # Reap the daemon if it ends before this process does.
    threading.Thread(target=process.wait, name="trainjob-daemon-reaper", daemon=True).start()
    with os.fdopen(read_end, "rb") as pipe:
        readable, _, _ = select.select([pipe], [], [], START_TIMEOUT)
        if readable and pipe.read(1):
            return
    with state.log.open("rb") as log:
        log.seek(log_offset)
        tail = "\n".join(log.read().decode(errors="replace").splitlines()[-15:])
    problem = "ended at once" if readable else f"was not ready after {START_TIMEOUT:.0f} s"
    message = f"The embedded cluster's daemon {problem}. The end of its log ({state.log}):\n{tail}"
    raise errors.ClusterError(message)


def _wait_until_settled(state: StateDir) -> DaemonInfo | None:
    """Return the serving daemon, None if there is none; waits while a daemon is starting or ending."""
    deadline = time.monotonic() + START_TIMEOUT
    while (daemon := daemon_status.find_daemon(state)) is not None and daemon.phase is not Phase.SERVING:
        if time.monotonic() > deadline:
            raise errors.ClusterError(
                f"The embedded cluster's daemon (pid {daemon.pid or 'unknown'}) is {daemon.phase.value} for more than "
                f"{START_TIMEOUT:.0f} s. Its log is {state.log}; `kill -9` ends it without harm to stored objects and "
                "running jobs."
            )
        time.sleep(0.02)
    return daemon


def _report_findings(state: StateDir, notify: Notify) -> None:
    """Pass new findings about the host to `notify`, and record them as reported."""
    try:
        reported = set(json.loads(state.reported_findings.read_bytes()))
    except (OSError, ValueError, TypeError):
        reported = set()
    findings = host_environment.inspect_host(state.root)
    if state.moved_from is not None:
        findings.append(host_environment.state_moved(state.moved_from, state.root))
    if new := [finding for finding in findings if finding.name not in reported]:
        for finding in new:
            notify(f"jupyter_trainjob: {finding}")
        names = sorted(reported | {finding.name for finding in new})
        with suppress(OSError):
            write_private(state.reported_findings, json.dumps(names).encode())


def _print_error(text: str) -> None:
    print(text, file=sys.stderr)


def _was_not_sent(error: errors.ClusterError) -> bool:
    """Return whether a request failed before it was sent, because the connection was refused."""
    from urllib3.exceptions import NewConnectionError

    return isinstance(error.__cause__, NewConnectionError)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file. Waits in short steps: a signal that comes just before a system call does not end it."""
    with path.open("ab") as file:
        while not daemon_status.try_lock(file):
            time.sleep(0.02)
        yield
