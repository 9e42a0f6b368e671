"""The built widget, sidebar and form in a real browser: every state in both themes and several widths.

Screenshots are compared with those in ``pictures/`` (see ``pictures.mjs``), which
TRAINJOB_PICTURES=renew replaces. TRAINJOB_SCREENSHOTS=folder stores all screenshots.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.widget import model
from tests.ui import tools
from tests.ui.scenes import IN_LAB, TOPICS
from tests.ui.scenes.recorded import NOW
from tests.waiting import patience

HERE = Path(__file__).parent
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
VSCODE_DARK = """:root { --vscode-foreground: #cccccc; --vscode-editor-background: #1f1f1f;
--vscode-textLink-foreground: #4daafc; --vscode-font-family: sans-serif; --vscode-editor-font-family: monospace; }
body { background: #1f1f1f; }"""
"""The variables of VS Code's default theme that the widget uses."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topic", TOPICS)
def test_scenes_are_rendered_in_chromium(topic: str, tmp_path: Path) -> None:
    tools.node()  # Builds the front end.
    pictures = tools.screenshots()
    recordings = tmp_path / "recordings.json"
    recordings.write_text(json.dumps(_recordings(topic, tmp_path)))
    arguments: list[str | Path] = [recordings, tools.chromium(), *([pictures] if pictures else [])]
    output = tools.run(HERE / f"{topic}.mjs", *arguments, timeout=patience(300))
    print(output)
    if topic == "readme" and "not compared" in output:
        pytest.skip(output.splitlines()[0])


def test_size_of_the_built_widget_is_limited() -> None:
    tools.node()
    size = (model.STATIC / "widget.js").stat().st_size
    assert size <= 100 * 1024, "each widget carries its code into the page, and into a notebook saved with widget state"


def _recordings(topic: str, folder: Path) -> dict[str, Any]:
    page = model.STATIC / "widget"
    if topic in IN_LAB:
        tools.run(HERE / "bundle.mjs", folder, timeout=patience(60))
        page = folder / "page"
    return {
        "esm": page.with_suffix(".js").read_text(),
        "css": page.with_suffix(".css").read_text(),
        "now": NOW,
        "themes": {**{name: _theme(name) for name in ("light", "dark")}, "vscode-dark": VSCODE_DARK},
        "scenes": {name: scene.to_json() for name, scene in TOPICS[topic]().items()},
    }


def _theme(name: str) -> str:
    """Return the CSS variables of a JupyterLab theme."""
    css = (THEMES / f"theme-{name}-extension" / "index.css").read_text()
    return "".join(re.findall(r":root\s*{[^}]*}", css))
