"""Find files that some process has open for writing.

Used by `storage_sync` before it stores a file. Only processes of the same user in the pod's container are visible.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def files_open_for_writing(folder: Path) -> set[str]:
    """Return the real paths of the files below `folder` that a process has open for writing."""
    below = f"{os.path.realpath(folder)}/"
    paths: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended, or belongs to another user.
            for number in os.listdir(process / "fd"):  # noqa: PTH208 - names alone, and many of them
                with contextlib.suppress(OSError, IndexError):
                    path = str((process / "fd" / number).readlink())
                    if path.startswith(below) and _writes(process / "fdinfo" / number):
                        paths.add(path)
    return paths


def _writes(description: Path) -> bool:
    flags = description.read_text().partition("flags:")[2].split()[0]
    return bool(int(flags, 8) & os.O_ACCMODE)
