"""The widget in real JupyterLab and Notebook 7, with kernels, jobs and a browser.

TRAINJOB_SCREENSHOTS=folder stores screenshots.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui import tools
from tests.ui.lab.server import Server
from tests.waiting import patience

HERE = Path(__file__).parent
JOURNEYS = {"follow-job", "new-job", "sidebar"}
TOPICS = [
    pytest.param(path.stem, marks=[pytest.mark.journey] if path.stem in JOURNEYS else [])
    for path in sorted(HERE.glob("*.mjs"))
    if path.stem != "jupyter"
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topic", TOPICS)
def test_widget_works_in_jupyter(topic: str, server: Server) -> None:
    tools.run(HERE / f"{topic}.mjs", server.options(), timeout=patience(280))
