"""Environments of other versions of Python, with what the project needs and the project itself from where it lies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tests.needs import lacking, uv

ROOT = Path(__file__).parents[3]


def environment(folder: Path, version: str, *, packages: Sequence[str]) -> Path:
    """Make an environment and return its interpreter; skip the test where there is no such Python, never in CI."""
    needed = [each for each in metadata.requires("jupyter_trainjob") or () if "extra ==" not in each]
    python = folder / "bin" / "python"
    for command in (
        [uv(), "venv", "--quiet", "--python", _python(version), str(folder)],
        [uv(), "pip", "install", "--quiet", "--python", str(python), *needed, *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        if done.returncode:
            lacking(f"Python {version} with its packages: {done.stderr.strip()}; `uv python install {version}` gets it")
    (packages_folder,) = folder.glob("lib/python*/site-packages")
    (packages_folder / "project.pth").write_text(str(ROOT))
    return python


def _python(version: str) -> str:
    """Return the interpreter of a version beside this one's, as version managers lay them out, else its name."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"*{version}.*/bin/python{version}"))
    return str(beside[-1]) if beside else version
