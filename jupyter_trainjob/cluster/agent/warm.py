"""Fork servers, one for each interpreter that pods use: who starts them, who waits for them, what they are asked.

In: a prepared program. Out: how to fork its shim from a process that has torch imported already, or None for a cold
start. A program that may start warm waits for a server that is still importing, since a cold start imports the same
things. A server that is killed is replaced, and the program waits for the next one, so that the ranks of a job start
alike: torchrun beside a rank without it would look for a store that is gone when that rank has ended. One that refuses,
or whose probe does not compute, is not waited for.
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

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import environment, forkserver, torchrun
from jupyter_trainjob.cluster.agent.launch import Fork
from jupyter_trainjob.cluster.agent.program import Program

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
TRIES = 2
"""How many fork servers a program waits for, where they are killed."""
RETRY_SECONDS = 60.0
"""A server that died before it was ready is not started again so soon: every program would wait for it in vain."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much memory may be spent on being ready. Zero lifts a limit."""

    servers: int = 3
    idle_seconds: float = 1800.0


@dataclass(frozen=True)
class Warm:
    """How to start one program warm."""

    fork: Fork
    document: Object


class Server:
    """One fork server. It dies with this object's socket, so with the agent at the latest."""

    def __init__(self, python: str, folder: Path, settled: threading.Condition) -> None:
        self.python = python
        self.ready = False
        self.failed = False
        self.killed = False
        """Whether it was killed from outside before it could say anything."""
        self.base = environment.base(python)
        self.started = self.used = time.monotonic()
        self._told: dict[str, Any] = {}
        self._settled = settled
        self._asking = threading.Lock()
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
        """Return whether it is known what became of the server."""
        return self.ready or self.failed

    def outlived(self) -> bool:
        """Return whether another server would do better: this one died, or packages have changed since it started."""
        if not self.settled:
            return False
        if "folders" in self._told:
            return forkserver.changed(self._told["folders"])
        if self.killed:
            return True
        if "files" not in self._told:
            return time.monotonic() - self.started >= RETRY_SECONDS
        died = self.failed or self._process.poll() is not None
        return died or forkserver.stamps(self._told["files"]) != self._told["files"]

    def fork(self, folder: str, lock: int, ready: int) -> bool:
        """Ask for a shim; False if the server is dead, then it is so for good."""
        request = json.dumps({"folder": folder}).encode()
        with self._asking:
            try:
                socket.send_fds(self._socket, [len(request).to_bytes(4, "big") + request], [lock, ready])
                answer = forkserver.receive(self._socket)
            except OSError:
                answer = None
            if answer is None:
                self.stop()
            return answer is not None

    def environment(self, env: dict[str, str]) -> dict[str, str]:
        """Return `env` with what a Python that starts adds to its own (the C locale made UTF-8, PEP 538)."""
        locale = self._told["environ"].get("LC_CTYPE")
        return env if locale is None or "LC_CTYPE" in env else {**env, "LC_CTYPE": locale}

    def stop(self) -> None:
        """End the server; what it forked goes on."""
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
            told = forkserver.receive(self._socket)
        except OSError as error:
            told = {"refusal": str(error)}
        killed = told is None and self._process.wait() == -signal.SIGKILL
        told = told or {"refusal": f"it died; {log} says why"}
        with self._settled:
            if self.failed:
                return
            self.killed = killed
            refusal = told.get("refusal")
            self._told = told
            if not refusal:
                self._socket.settimeout(ANSWER_SECONDS)
                self.ready = True
            self._settled.notify_all()
        if refusal:
            _log.info("%s does not start programs warm: %s", self.python, refusal)
            self.stop()


class WarmPool:
    """The fork servers of an agent, by interpreter."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self._folder = folder
        self._limits = limits or Limits()
        self._settled = threading.Condition()
        self._servers: dict[str, Server] = {}
        self._stopped = threading.Event()
        if self._limits.idle_seconds:
            threading.Thread(target=self._watch, name="fork-servers", daemon=True).start()

    def start(self, python: str) -> Server | None:
        """Start the server of an interpreter unless there is a good one; beyond the limit the least used one ends."""
        with self._settled:
            server = self._servers.get(python)
            if self._stopped.is_set():
                return None
            if server is not None and not server.outlived():
                server.used = time.monotonic()
                return server
            gone = [] if server is None else [server]
            try:
                server = self._servers[python] = Server(python, self._folder, self._settled)
            except OSError as error:
                self._servers.pop(python, None)
                _log.info("%s does not start programs warm: %s", python, error)
                server = None
            gone += self._beyond_limit(python)
        for each in gone:
            each.stop()
        return server

    def trim(self) -> None:
        """End the servers that nobody has used for long: they hold a framework in memory."""
        before = time.monotonic() - self._limits.idle_seconds
        with self._settled:
            gone = [python for python, server in self._servers.items() if server.settled and server.used < before]
            servers = [self._servers.pop(python) for python in gone]
        for server in servers:
            server.stop()

    def _beyond_limit(self, newest: str) -> list[Server]:
        alive = sorted(
            (server.used, python) for python, server in self._servers.items() if not server.failed and python != newest
        )
        excess = len(alive) + 1 - self._limits.servers if self._limits.servers else 0
        return [self._servers.pop(python) for _, python in alive[: max(excess, 0)]]

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._limits.idle_seconds, 30.0)):
            self.trim()

    def warm(
        self, program: Program, document: Object, *, error_file: Path, cancelled: Callable[[], bool]
    ) -> Warm | None:
        """Return how to start `program` warm, once its server is there; None: start it cold."""
        if reason := torchrun.refusal(program, environment.base(program.python)):
            _log.debug("%s starts cold: %s", program.hostname, reason)
            return None
        server = self._ready(program.python, cancelled)
        if server is None:
            return None
        env = torchrun.worker_env(document["env"], str(error_file))
        return Warm(server.fork, {**document, "argv": [document["argv"][-1]], "env": server.environment(env)})

    def _ready(self, python: str, cancelled: Callable[[], bool]) -> Server | None:
        """Return a server that can fork, once it is there; a second one if the first is killed while it imports."""
        for _ in range(TRIES):
            server = self.start(python)
            if server is None:
                return None
            self._await(server, cancelled)
            if cancelled():
                return None
            if server.ready:
                return server
            if not server.killed:
                return None
        return None

    def _await(self, server: Server, cancelled: Callable[[], bool]) -> None:
        with self._settled:
            self._settled.wait_for(lambda: server.settled or cancelled(), timeout=START_SECONDS)

    def wake(self) -> None:
        """Have everybody who waits look whether they still want to."""
        with self._settled:
            self._settled.notify_all()

    def stop(self) -> None:
        """End all servers."""
        self._stopped.set()
        with self._settled:
            servers = list(self._servers.values())
        for server in servers:
            server.stop()
