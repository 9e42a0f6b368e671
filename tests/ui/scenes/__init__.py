"""Recorded scenes: one for each look of the widget, the sidebar and its form; a file for each topic.

`tests/ui/<topic>.mjs` looks at the scenes of its topic in a browser.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.ui.scenes import curves, form, logs, nodes, panel, sidebar, states
from tests.ui.scenes.recorded import Scene

TOPICS: dict[str, Callable[[], dict[str, Scene]]] = {
    "card": states.scenes,
    "actions": states.scenes,
    "nodes": nodes.scenes,
    "panel": panel.scenes,
    "curves": curves.scenes,
    "log": logs.scenes,
    "sidebar": sidebar.scenes,
    "form": form.scenes,
    "readme": lambda: states.scenes() | nodes.scenes() | panel.scenes(),
}
IN_LAB = ("sidebar", "form")
"""Topics of the JupyterLab extension: their scenes are drawn by a page built for tests, not by the widget's module."""
