"""Whether the package on disk is still the one that this daemon runs.

After an upgrade the daemon would hold old code in memory and start shims from new files. So it makes way for itself:
once the files have stopped changing and can be imported, it runs them in its place. Programs live on in their shims.
"""

from __future__ import annotations

import enum
import hashlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
TRIAL_SECONDS = 60.0


class Change(enum.Enum):
    """What became of the package since this process started."""

    NONE = enum.auto()
    REPLACED = enum.auto()
    GONE = enum.auto()


class Watcher:
    """Compares the package's files with what they were. To be asked from time to time."""

    def __init__(self, package: Path = PACKAGE, *, works: Callable[[], bool] | None = None) -> None:
        self._package = package
        self._works = works or _can_be_imported
        self._first = self._last = stamp(package)
        self._refused: str | None = None

    def look(self) -> Change:
        """Return what changed. A change counts from the second look that finds the same files on."""
        now = stamp(self._package)
        before, self._last = self._last, now
        if now == self._first or now != before or now == self._refused:
            return Change.NONE
        if now == "":
            return Change.GONE
        if not self._works():
            self._refused = now  # Half an installation: not before it has changed again.
            return Change.NONE
        return Change.REPLACED


def stamp(package: Path) -> str:
    """Return what changes with any module of a package; empty if it is gone."""
    found = []
    for path in sorted(package.rglob("*.py")):
        with suppress(OSError):
            info = path.stat()
            found.append(f"{path} {info.st_size} {info.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest() if found else ""


def _can_be_imported() -> bool:
    try:
        trial = subprocess.run(
            [sys.executable, "-c", "import jupyter_trainjob.cluster.daemon"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0
