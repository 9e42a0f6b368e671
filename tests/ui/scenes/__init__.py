"""Recorded moments, one for each way that the widget, the sidebar and its form can look; a file for each topic.

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
"""Topics of what JupyterLab alone shows: not in the widget's module, but in a page built for tests."""
