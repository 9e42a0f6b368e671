"""The extension behind a JupyterHub and its proxy: URL prefixes, logins, lost connections."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.embedded import embedded_cluster
from tests.ui import tools
from tests.ui.lab.hub.hub import PASSWORD, jupyterhub
from tests.ui.lab.page import Page
from tests.waiting import patience, wait_for

HERE = Path(__file__).parent


@pytest.mark.journey
@pytest.mark.timeout(170)
def test_first_job_behind_a_hub(tmp_path: Path) -> None:
    with embedded_cluster(tmp_path / "state"), jupyterhub(tmp_path / "hub") as hub:
        hub.ask("users/ada/server", method="POST")
        options = hub.server("ada").options(hub=hub.url, password=PASSWORD)
        tools.run(HERE / "first-job.mjs", options, timeout=patience(150))


@pytest.mark.timeout(170)
def test_extension_works_behind_a_hub_and_its_proxy(tmp_path: Path) -> None:
    tools.chromium()
    with embedded_cluster(tmp_path / "state"), jupyterhub(tmp_path / "hub") as hub:
        hub.ask("users/ada/server", method="POST")
        page = Page(HERE / "students.mjs", hub.server("ada"), hub=hub.url, password=PASSWORD)
        try:
            page.sees("the job")
            os.kill(hub.proxy(), signal.SIGKILL)
            page.go_on()
            page.sees("the proxy stopped")
            page.go_on()  # The hub starts another by itself.
            page.sees("the proxy restarted")
            hub.ask("users/ada/server", method="DELETE")
            page.go_on()
            page.sees("the server stopped")
            # The hub refuses to start a server that it has not finished stopping.
            wait_for(lambda: not hub.ask("users/ada")["pending"])
            hub.ask("users/ada/server", method="POST")
            page.passes()
        finally:
            page.end()
