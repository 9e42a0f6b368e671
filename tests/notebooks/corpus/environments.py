"""Environments with other Python versions, this project and its dependencies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tests.needs import install, lacking, uv
from tests.paths import ROOT


def environment(folder: Path, version: str, *, packages: Sequence[str]) -> Path:
    """Create an environment and return its interpreter; skip the test without such a Python, except in CI."""
    needed = [
        requirement for requirement in metadata.requires("jupyter_trainjob") or () if "extra ==" not in requirement
    ]
    python = folder / "bin" / "python"
    created = subprocess.run([uv(), "venv", "--quiet", "--python", _python(version), str(folder)], check=False)
    if created.returncode:
        lacking(f"There is no Python {version}; `uv python install {version}` gets it")
    install(python, *needed, *packages, lock="dev")
    (packages_folder,) = folder.glob("lib/python*/site-packages")
    (packages_folder / "project.pth").write_text(str(ROOT))
    return python


def _python(version: str) -> str:
    """Return the interpreter of a version next to this one, as version managers install them, or its name."""
    interpreters = sorted(Path(sys.base_prefix).parent.glob(f"*{version}.*/bin/python{version}"))
    return str(interpreters[-1]) if interpreters else version
