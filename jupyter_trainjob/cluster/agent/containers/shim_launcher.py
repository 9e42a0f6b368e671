"""Start the shim of a prepared program: cold in a new process, or warm from a fork server."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.containers.container_run import Run
from jupyter_trainjob.cluster.agent.shim import shim

Fork = Callable[[str, int, int], bool]
"""Forks a shim, given its folder, lock and "started" pipe; returns False if the fork server is dead."""


@dataclass
class Launched:
    """A shim that was started, and its "started" pipe."""

    ready: int
    process: subprocess.Popen[bytes] | None

    def started(self) -> dict[str, Any] | None:
        """Wait until the program has started; None if it never will."""
        with os.fdopen(self.ready, "rb") as pipe:
            message = pipe.read()
        return json.loads(message) if message else None

    def reap(self) -> None:
        """Reap a shim that has ended."""
        if self.process is not None:
            self.process.wait()


def launch_shim(run: Run, document: KubeObject, fork: Fork | None = None) -> Launched | None:
    """Start the shim of `run`; None if the fork server died first. Raises BlockingIOError if a shim runs already."""
    lock = run.acquire_lock()
    try:
        shim.write_json(str(run.folder / "spec.json"), document)
        if fork is None:
            return _launch_cold(run, lock)
        ready, ready_in = os.pipe()
        try:
            forked = fork(str(run.folder), lock, ready_in)
        finally:
            os.close(ready_in)
        if not forked:
            # The server died during the request. If the lock cannot be acquired again, it has forked the shim.
            os.close(lock)
            try:
                lock = run.acquire_lock()
            except BlockingIOError:
                lock = -1
            else:
                os.close(ready)
                return None
        return Launched(ready, None)
    finally:
        if lock >= 0:
            os.close(lock)


def _launch_cold(run: Run, lock: int) -> Launched:
    ready, ready_in = os.pipe()
    try:
        with (run.folder / "shim.err").open("wb") as complaints:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", shim.__file__, str(run.folder), str(lock), str(ready_in)],
                pass_fds=(lock, ready_in),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
                env={},
                cwd="/",
            )
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(ready)
        raise
    finally:
        os.close(ready_in)
    return Launched(ready, process)
