"""From a prepared program to a running shim: cold by a new process, warm by a fork server."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import shim
from jupyter_trainjob.cluster.agent.run import Run

Fork = Callable[[str, int, int], bool]
"""Asks a fork server for a shim: folder, lock, pipe to say "started". False: the server is dead."""


@dataclass
class Launched:
    """A shim that was started, and the pipe on which it says so."""

    ready: int
    process: subprocess.Popen[bytes] | None

    def started(self) -> dict[str, Any] | None:
        """Wait until the program has started; None if it never will."""
        with os.fdopen(self.ready, "rb") as pipe:
            said = pipe.read()
        return json.loads(said) if said else None

    def reap(self) -> None:
        """Take leave of a shim that has ended."""
        if self.process is not None:
            self.process.wait()


def launch(run: Run, document: Object, fork: Fork | None = None) -> Launched | None:
    """Start the shim of `run`; None if the fork server died before that. BlockingIOError if one lives already."""
    lock = run.claim()
    try:
        shim.write_json(str(run.folder / "spec.json"), document)
        if fork is None:
            return _cold(run, lock)
        ready, ready_in = os.pipe()
        try:
            forked = fork(str(run.folder), lock, ready_in)
        finally:
            os.close(ready_in)
        if not forked:
            # The server died while it was asked. Only who cannot get the lock again knows that a shim was born.
            os.close(lock)
            try:
                lock = run.claim()
            except BlockingIOError:
                lock = -1
            else:
                os.close(ready)
                return None
        return Launched(ready, None)
    finally:
        if lock >= 0:
            os.close(lock)


def _cold(run: Run, lock: int) -> Launched:
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
