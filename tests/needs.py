"""What tests need from outside: where it is missing they are skipped, and say how to get it; in CI they fail."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest


def lacking(why: str) -> NoReturn:
    """End the test: what it needs is not here."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def uv() -> str:
    """Return the path of uv: the one on PATH, else that of this Python environment."""
    found = shutil.which("uv") or shutil.which("uv", path=Path(sys.executable).parent)
    return found or lacking("There is no uv: `pip install uv`.")
