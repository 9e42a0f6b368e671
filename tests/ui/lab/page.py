"""A page that a test follows step by step: beside `test_in_jupyter`, for what happens to servers meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.ui import tools
from tests.ui.lab.server import Server


class Page:
    """The browser's side, which says what it sees and is told to go on."""

    def __init__(self, script: Path, server: Server, **more: str) -> None:
        self._process = subprocess.Popen(
            [tools.node(), str(script), server.options(**more)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sees(self, what: str) -> None:
        """Wait until it sees this, or has failed."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if said != f"seen: {what}\n":
            raise AssertionError(said + self._process.communicate("\n", timeout=60)[0])

    def go_on(self) -> None:
        """Let it look for what comes next."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def passes(self) -> None:
        """Let it come to its end, which has to be a good one."""
        said = self._process.communicate("\n", timeout=60)[0]
        assert self._process.returncode == 0, said

    def end(self) -> str:
        """End it, and return what else it has said."""
        self._process.kill()
        return self._process.communicate()[0]
