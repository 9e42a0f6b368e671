"""The widget in real JupyterLab and Notebook 7, with kernels, jobs and a browser.

TRAINJOB_SCREENSHOTS=folder stores screenshots.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui import tools
from tests.ui.lab.server import Server

HERE = Path(__file__).parent
TOPICS = sorted(path.stem for path in HERE.glob("*.mjs") if path.stem != "jupyter")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topic", TOPICS)
def test_widget_works_in_jupyter(topic: str, server: Server) -> None:
    tools.run(HERE / f"{topic}.mjs", server.options(), timeout=280)
