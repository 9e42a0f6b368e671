"""Detect that the installed package differs from the one that this daemon runs.

After an upgrade the daemon would run old code and start shims from new files. So once the files have stopped changing
and can be imported, it replaces itself with the new version. Containers keep running in their shims.
"""

from __future__ import annotations

import enum
import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
TRIAL_SECONDS = 60.0


class PackageChange(enum.Enum):
    """How the package changed since this process started."""

    NONE = enum.auto()
    REPLACED = enum.auto()
    GONE = enum.auto()


class PackageWatcher:
    """Compares the package's files with those at its start. Call `detect_change` periodically."""

    def __init__(self, package: Path = PACKAGE, *, is_importable: Callable[[], bool] | None = None) -> None:
        self._package = package
        self._is_importable = is_importable or _is_importable
        self._first = self._last = fingerprint(package)
        self._refused: str | None = None

    def detect_change(self) -> PackageChange:
        """Return the change, once two successive calls find the same files."""
        current = fingerprint(self._package)
        previous, self._last = self._last, current
        if current == self._first or current != previous or current == self._refused:
            return PackageChange.NONE
        if current == "":
            return PackageChange.GONE
        if not self._is_importable():
            self._refused = current  # a partial installation: wait for another change
            return PackageChange.NONE
        return PackageChange.REPLACED


def fingerprint(package: Path) -> str:
    """Return a hash of paths, sizes and modification times of a package's modules; empty if there are none."""
    entries = []
    for path in sorted(package.rglob("*.py")):
        with suppress(OSError):
            info = path.stat()
            entries.append(f"{path} {info.st_size} {info.st_mtime_ns}")
    return hashlib.sha256("\n".join(entries).encode()).hexdigest() if entries else ""


def _is_importable() -> bool:
    try:
        trial = subprocess.run(
            [sys.executable, "-c", "import jupyter_trainjob.cluster.daemon.main"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0
