"""Two thousand jobs in the sidebar of a real JupyterLab; with ``-s`` the times of the page are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui import tools
from tests.ui.lab.many.jobs import many_jobs
from tests.ui.lab.server import Server
from tests.waiting import patience

HERE = Path(__file__).parent


@pytest.mark.timeout(170)
def test_sidebar_lists_two_thousand_jobs(server: Server) -> None:
    with many_jobs():
        print(tools.run(HERE / "many-jobs.mjs", server.options(), timeout=patience(110)))
