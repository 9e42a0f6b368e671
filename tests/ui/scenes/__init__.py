"""Recorded moments of jobs, one for each way that the widget can look; a file for each topic.

`tests/ui/<topic>.mjs` looks at the scenes of its topic in a browser.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.ui.scenes import curves, logs, nodes, panel, states
from tests.ui.scenes.recorded import Scene

TOPICS: dict[str, Callable[[], dict[str, Scene]]] = {
    "card": states.scenes,
    "actions": states.scenes,
    "nodes": nodes.scenes,
    "panel": panel.scenes,
    "curves": curves.scenes,
    "log": logs.scenes,
    "readme": lambda: states.scenes() | nodes.scenes() | panel.scenes(),
}
