"""The extension behind a real JupyterHub and its proxy: a path before every URL, logins, breaks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.embedded import embedded_cluster
from tests.ui import tools
from tests.ui.lab.hub.hub import PASSWORD, jupyterhub
from tests.ui.lab.page import Page

HERE = Path(__file__).parent


@pytest.mark.timeout(170)
def test_jobs_behind_a_hub_and_its_proxy(tmp_path: Path) -> None:
    tools.chromium()
    with embedded_cluster(tmp_path / "state"), jupyterhub(tmp_path / "hub") as hub:
        hub.ask("users/ada/server", method="POST")
        page = Page(HERE / "school.mjs", hub.server("ada"), hub=hub.url, password=PASSWORD)
        try:
            page.sees("the job")
            os.kill(hub.proxy(), signal.SIGKILL)
            page.go_on()
            page.sees("the proxy away")
            page.go_on()  # The hub starts another by itself.
            page.sees("the proxy back")
            hub.ask("users/ada/server", method="DELETE")
            page.go_on()
            page.sees("the server away")
            hub.ask("users/ada/server", method="POST")
            page.passes()
        finally:
            page.end()
