"""The fork servers of an agent, one for each interpreter of pods: start, wait for, use and stop them.

In: a prepared program. Out: how to fork its shim from a process that has imported torch, or None for a cold start. A
program waits for a server that is still importing, because a cold start imports the same modules. A killed server is
replaced, and the program waits for the next one, so that all ranks of a job start the same way: a rank under torchrun
would wait for a rendezvous store that a rank without torchrun has already closed. Servers that refuse, or fail their
test, are not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.containers import environment, torchrun_env
from jupyter_trainjob.cluster.agent.containers.shim_launcher import Fork
from jupyter_trainjob.cluster.agent.containers.shim_spec import Program
from jupyter_trainjob.cluster.agent.shim import forkserver

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
TRIES = 2
"""Number of fork servers that a program waits for, if they are killed."""
COLD = "does not start programs warm"
WARM = "starts programs warm"
"""Log messages of the daemon about an interpreter; `client.doctor` reads the last one."""
RETRY_SECONDS = 60.0
"""Seconds before a server that died while starting is started again, so that programs do not wait in vain."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for the number and idle time of fork servers. Zero disables a limit."""

    servers: int = 3
    idle_seconds: float = 1800.0


@dataclass(frozen=True)
class WarmStart:
    """How to start a program warm."""

    fork: Fork
    document: KubeObject


class ForkServer:
    """One fork server. It exits with this object's socket, so with the agent at the latest."""

    def __init__(self, python: str, folder: Path, settled: threading.Condition) -> None:
        self.python = python
        self.ready = False
        self.failed = False
        self.killed = False
        """Whether it was killed before it sent its first message."""
        self.base = environment.base_env(python)
        self.started = self.used = time.monotonic()
        self._message: dict[str, Any] = {}
        self._settled = settled
        self._request_lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = folder / f"{hashlib.sha256(python.encode()).hexdigest()[:12]}.log"
        self._socket, theirs = socket.socketpair()
        with theirs, log.open("wb") as output:
            self._process = subprocess.Popen(
                [python, forkserver.__file__, str(theirs.fileno()), str(log)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.base,
                cwd="/",
                start_new_session=True,
            )
        threading.Thread(target=self._wait, args=(log,), name="fork-server", daemon=True).start()

    @property
    def settled(self) -> bool:
        """Return whether the server is ready or has failed."""
        return self.ready or self.failed

    def is_outdated(self) -> bool:
        """Return whether the server should be replaced: it died, or packages have changed since it started."""
        if not self.settled:
            return False
        if "folders" in self._message:
            return forkserver.have_changed(self._message["folders"])
        if self.killed:
            return True
        if "files" not in self._message:
            return time.monotonic() - self.started >= RETRY_SECONDS
        died = self.failed or self._process.poll() is not None
        return died or forkserver.fingerprints(self._message["files"]) != self._message["files"]

    @property
    def variables_read(self) -> list[str]:
        """Return the environment variables that were read while the framework was imported."""
        return list(self._message["read"])

    def fork(self, folder: str, lock: int, ready: int) -> bool:
        """Fork a shim; return False if the server is dead, which is final."""
        request = json.dumps({"folder": folder}).encode()
        with self._request_lock:
            try:
                socket.send_fds(self._socket, [len(request).to_bytes(4, "big") + request], [lock, ready])
                answer = forkserver.receive(self._socket)
            except OSError:
                answer = None
            if answer is None:
                self.stop()
            return answer is not None

    def environment(self, env: dict[str, str]) -> dict[str, str]:
        """Return `env` with what Python adds to its environment at start (LC_CTYPE, PEP 538)."""
        locale = self._message["environ"].get("LC_CTYPE")
        return env if locale is None or "LC_CTYPE" in env else {**env, "LC_CTYPE": locale}

    def stop(self) -> None:
        """Stop the server; its forked processes keep running."""
        with self._settled:
            self.ready, self.failed = False, True
            self._settled.notify_all()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        self._process.wait()
        self._socket.close()

    def _wait(self, log: Path) -> None:
        try:
            self._socket.settimeout(START_SECONDS)
            message = forkserver.receive(self._socket)
        except OSError as error:
            message = {"refusal": str(error)}
        killed = message is None and self._process.wait() == -signal.SIGKILL
        message = message or {"refusal": f"it died; {log} says why"}
        with self._settled:
            if self.failed:
                return
            self.killed = killed
            refusal = message.get("refusal")
            self._message = message
            if not refusal:
                self._socket.settimeout(ANSWER_SECONDS)
                self.ready = True
            self._settled.notify_all()
        if refusal:
            _log.info("%s %s: %s", self.python, COLD, refusal)
            self.stop()
        else:
            _log.info("%s %s", self.python, WARM)


class ForkServerPool:
    """The fork servers of an agent, by interpreter."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self._folder = folder
        self._limits = limits or Limits()
        self._settled = threading.Condition()
        self._servers: dict[str, ForkServer] = {}
        self._stopped = threading.Event()
        if self._limits.idle_seconds:
            threading.Thread(target=self._watch, name="fork-servers", daemon=True).start()

    def start(self, python: str) -> ForkServer | None:
        """Start the server of an interpreter unless a usable one runs; beyond the limit stop unused ones."""
        with self._settled:
            server = self._servers.get(python)
            if self._stopped.is_set():
                return None
            if server is not None and not server.is_outdated():
                server.used = time.monotonic()
                return server
            stale_servers = [] if server is None else [server]
            try:
                server = self._servers[python] = ForkServer(python, self._folder, self._settled)
            except OSError as error:
                self._servers.pop(python, None)
                _log.info("%s %s: %s", python, COLD, error)
                server = None
            stale_servers += self._remove_excess(python)
        for stale in stale_servers:
            stale.stop()
        return server

    def stop_idle(self) -> None:
        """Stop idle servers, which hold a framework in memory."""
        deadline = time.monotonic() - self._limits.idle_seconds
        with self._settled:
            idle = [python for python, server in self._servers.items() if server.settled and server.used < deadline]
            servers = [self._servers.pop(python) for python in idle]
        for server in servers:
            server.stop()

    def _remove_excess(self, newest: str) -> list[ForkServer]:
        alive = sorted(
            (server.used, python) for python, server in self._servers.items() if not server.failed and python != newest
        )
        excess = len(alive) + 1 - self._limits.servers if self._limits.servers else 0
        return [self._servers.pop(python) for _, python in alive[: max(excess, 0)]]

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._limits.idle_seconds, 30.0)):
            self.stop_idle()

    def prepare_warm_start(
        self, program: Program, document: KubeObject, *, error_file: Path, cancelled: Callable[[], bool]
    ) -> WarmStart | None:
        """Return how to start `program` warm, once its server is ready; None to start it cold."""
        base = environment.base_env(program.python)
        if reason := torchrun_env.warm_start_refusal(program, base):
            _log.debug("%s starts cold: %s", program.hostname, reason)
            return None
        server = self._ready_server(program.python, cancelled)
        if server is None:
            return None
        if name := torchrun_env.late_variable(program, base, server.variables_read):
            _log.debug("%s starts cold: it sets %s, which was read when torch was imported", program.hostname, name)
            return None
        env = torchrun_env.worker_env(document["env"], str(error_file))
        return WarmStart(server.fork, {**document, "argv": [document["argv"][-1]], "env": server.environment(env)})

    def _ready_server(self, python: str, cancelled: Callable[[], bool]) -> ForkServer | None:
        """Wait for a server that can fork, and for a second one if the first is killed while importing."""
        for _ in range(TRIES):
            server = self.start(python)
            if server is None:
                return None
            self._wait_until_settled(server, cancelled)
            if cancelled():
                return None
            if server.ready:
                return server
            if not server.killed:
                return None
        return None

    def _wait_until_settled(self, server: ForkServer, cancelled: Callable[[], bool]) -> None:
        with self._settled:
            self._settled.wait_for(lambda: server.settled or cancelled(), timeout=START_SECONDS)

    def wake(self) -> None:
        """Make all waiting threads check `cancelled`."""
        with self._settled:
            self._settled.notify_all()

    def stop(self) -> None:
        """Stop all servers."""
        self._stopped.set()
        with self._settled:
            servers = list(self._servers.values())
        for server in servers:
            server.stop()
