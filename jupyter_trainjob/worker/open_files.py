"""Which files are still being written, whatever pause their writer makes: those that a process has open for it.

`sync` asks before it stores a file. All processes of the pod's container that belong to the same user can be seen.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def written(folder: Path) -> set[str]:
    """Return the real paths of the files below `folder` that a process has open for writing."""
    below = f"{os.path.realpath(folder)}/"
    found: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It went, or belongs to somebody else.
            for number in os.listdir(process / "fd"):  # noqa: PTH208 - names alone, and many of them
                with contextlib.suppress(OSError, IndexError):
                    path = str((process / "fd" / number).readlink())
                    if path.startswith(below) and _writes(process / "fdinfo" / number):
                        found.add(path)
    return found


def _writes(description: Path) -> bool:
    flags = description.read_text().partition("flags:")[2].split()[0]
    return bool(int(flags, 8) & os.O_ACCMODE)
