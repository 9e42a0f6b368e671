"""An open page while its Jupyter server ends, rejects its user, and returns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.embedded import embedded_cluster
from tests.ui.lab.page import Page
from tests.ui.lab.server import jupyter_server

HERE = Path(__file__).parent


@pytest.mark.timeout(170)
def test_page_reconnects_after_a_server_restart(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    with embedded_cluster(tmp_path / "state"):
        with jupyter_server(folder) as server:
            page = Page(HERE / "server-restart.mjs", server)
            page.sees("the job")
        try:
            page.go_on()
            page.sees("the job after the restart")
            secret = folder / "runtime" / "jupyter_cookie_secret"
            content = secret.read_bytes()
            secret.unlink()
            with jupyter_server(folder, again=replace(server, token="another")):
                page.go_on()
                page.sees("the login link")
            secret.write_bytes(content)
            with jupyter_server(folder, again=server):
                page.go_on()
                page.sees("the end of the job")
                page.passes()
        finally:
            page.end()
