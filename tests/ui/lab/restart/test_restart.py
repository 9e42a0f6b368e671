"""A page stays open while its Jupyter server ends, knows its user no more, and is there again as it was."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.embedded import embedded_cluster
from tests.ui import tools
from tests.ui.lab.server import Server, jupyter_server

HERE = Path(__file__).parent


class Page:
    """The browser's side, which says what it sees and is told to go on."""

    def __init__(self, server: Server) -> None:
        options = {
            "url": server.url,
            "token": server.token,
            "root": str(server.root),
            "chromium": tools.chromium(),
            "screenshots": tools.screenshots(),
        }
        self._process = subprocess.Popen(
            [tools.node(), str(HERE / "watch.mjs"), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sees(self, what: str) -> None:
        """Wait until it sees this, or has failed."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == f"seen: {what}\n", said + self.end()

    def go_on(self) -> None:
        """Let it look for what comes next."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """End it, and return what else it has said."""
        self._process.kill()
        return self._process.communicate()[0]


@pytest.mark.timeout(170)
def test_a_page_outlives_its_server(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    with embedded_cluster(tmp_path / "state"):
        with jupyter_server(folder) as server:
            page = Page(server)
            page.sees("the job")
        try:
            page.go_on()
            page.sees("the job as it was")
            secret = folder / "runtime" / "jupyter_cookie_secret"
            kept = secret.read_bytes()
            secret.unlink()
            with jupyter_server(folder, again=replace(server, token="another")):
                page.go_on()
                page.sees("where to log in")
            secret.write_bytes(kept)
            with jupyter_server(folder, again=server):
                page.go_on()
                page.sees("its end")
        finally:
            page.end()
