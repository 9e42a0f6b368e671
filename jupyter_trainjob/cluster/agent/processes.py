"""Processes by their kernel's account: who descends from whom, and whether a pid still means the same process.

Standard library only, and light: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """On Linux, become the parent of every descendant whose own parent dies (torchrun's workers lead sessions)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return the processes below `pid`, nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    layer = children.get(pid, [])
    while layer:
        found += layer
        layer = [child for parent in layer for child in children.get(parent, [])]
    return found


def parents() -> Iterator[tuple[int, int]]:
    """Yield each process with its parent."""
    if os.path.exists("/proc/self/stat"):
        for name in os.listdir("/proc"):
            if name.isdigit() and (fields := stat_fields(int(name))):
                yield int(name), int(fields[1])
        return
    with os.popen("/bin/ps -axo pid=,ppid=") as table:  # noqa: S605 - macOS has no /proc
        for line in table:
            child, parent = line.split()
            yield int(child), int(parent)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` after the name, beginning with the state; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def identity(pid: int) -> dict[str, Any]:
    """Return what tells a process from a later one with its pid: the kernel's start tick (Linux), else the time.

    Ticks count from the kernel's own start, so that is part of it.
    """
    fields = stat_fields(pid)
    return {"pid": pid, "ticks": int(fields[19]) if fields else None, "time": time.time(), "boot": boot()}


def boot() -> str:
    """Return what names the time since the kernel started; empty where it has no name."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def send(pid: int, number: int) -> None:
    """Send a signal to a process or, negative, to a group; it may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
