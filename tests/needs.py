"""What tests need from outside: where it is missing they are skipped, and say how to get it; in CI they fail."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from tests.paths import ROOT
from tests.waiting import patience

_ROOT: Final = ROOT


def lacking(why: str) -> NoReturn:
    """End the test: what it needs is not here."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why, allow_module_level=True)


def module(name: str) -> Any:
    """Import and return a package that the test needs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        lacking(f"{name} is not installed: scripts/setup dev installs it.")


def uv() -> str:
    """Return the path of uv: the one on PATH, else that of this Python environment."""
    path = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    return path or lacking("There is no uv: `pip install uv`.")


def install(python: Path, *requirements: str, lock: str = "isolated", options: Sequence[str] = ()) -> None:
    """Install requirements, and what builds them, at the versions of a lock; skip the test where it fails, never in CI.

    `python` is the interpreter of an environment. `lock` names a file in requirements/, `options` are more of uv's.
    """
    versions = str(_ROOT / "requirements" / f"{lock}.txt")
    command = [uv(), "pip", "install", "--quiet", "--python", str(python), "--constraint", versions]
    command += ["--build-constraint", versions, *options, *requirements]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience(240), check=False)
    if done.returncode:
        lacking(f"cannot install {' '.join(requirements)}: {done.stderr.strip()}")
