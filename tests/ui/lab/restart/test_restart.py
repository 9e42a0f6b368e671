"""A page stays open while its Jupyter server ends, knows its user no more, and is there again as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.embedded import embedded_cluster
from tests.ui.lab.page import Page
from tests.ui.lab.server import jupyter_server

HERE = Path(__file__).parent


@pytest.mark.timeout(170)
def test_a_page_outlives_its_server(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    with embedded_cluster(tmp_path / "state"):
        with jupyter_server(folder) as server:
            page = Page(HERE / "watch.mjs", server)
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
                page.passes()
        finally:
            page.end()
