"""The widget where people use it: real JupyterLab and Notebook 7, real kernels, real jobs, a real browser.

With TRAINJOB_SCREENSHOTS=folder it leaves pictures to be looked at.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui import tools
from tests.ui.lab.server import Server

HERE = Path(__file__).parent
TOPICS = sorted(path.stem for path in HERE.glob("*.mjs") if path.stem != "jupyter")


@pytest.mark.parametrize("topic", TOPICS)
def test_in_jupyter(topic: str, server: Server) -> None:
    tools.run(HERE / f"{topic}.mjs", server.options(), timeout=110)
