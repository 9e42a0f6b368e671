"""A browser page that a test controls step by step, for tests that change servers meanwhile."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.ui import tools
from tests.ui.lab.server import Server
from tests.waiting import patience


class Page:
    """The script in the browser, which reports its steps and waits between them."""

    def __init__(self, script: Path, server: Server, **more: str) -> None:
        self._process = subprocess.Popen(
            [tools.node(), str(script), server.options(**more)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sees(self, step: str) -> None:
        """Wait until the page reports this step; raise if it fails."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line != f"seen: {step}\n":
            raise AssertionError(line + self._process.communicate("\n", timeout=patience(60))[0])

    def go_on(self) -> None:
        """Let the script continue with its next step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def passes(self) -> None:
        """Let the script finish; fail if it reports an error."""
        output = self._process.communicate("\n", timeout=patience(60))[0]
        assert self._process.returncode == 0, output

    def end(self) -> str:
        """End the script, and return the rest of its output."""
        self._process.kill()
        return self._process.communicate()[0]
