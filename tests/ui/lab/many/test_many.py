"""Two thousand jobs in the sidebar of a real JupyterLab; with ``-s`` it says how long the page takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ui import tools
from tests.ui.lab.many.jobs import many_jobs
from tests.ui.lab.server import Server

HERE = Path(__file__).parent


@pytest.mark.timeout(170)
def test_two_thousand_jobs(server: Server) -> None:
    options = {
        "url": server.url,
        "token": server.token,
        "root": str(server.root),
        "chromium": tools.chromium(),
        "screenshots": tools.screenshots(),
    }
    with many_jobs():
        print(tools.run(HERE / "many.mjs", json.dumps(options), timeout=110))
