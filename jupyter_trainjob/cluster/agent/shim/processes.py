"""Process queries: descendants, and the identity of a process behind a pid.

Standard library only: see `shim`.
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
    """On Linux, become the subreaper of all descendants (torchrun's workers lead their own sessions)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return the pids of the descendants of `pid`, children first."""
    children: dict[int, list[int]] = {}
    for child, parent in processes_with_parents():
        children.setdefault(parent, []).append(child)
    pids: list[int] = []
    layer = children.get(pid, [])
    while layer:
        pids += layer
        layer = [child for parent in layer for child in children.get(parent, [])]
    return pids


def processes_with_parents() -> Iterator[tuple[int, int]]:
    """Yield pid and parent pid of each process."""
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
    """Return the fields of ``/proc/<pid>/stat`` from the state on; empty if the process does not exist."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def identity(pid: int) -> dict[str, Any]:
    """Return what distinguishes a process from a later one with its pid: start ticks (Linux), else the time.

    Ticks count from the boot of the kernel, so the boot ID is part of it.
    """
    fields = stat_fields(pid)
    return {"pid": pid, "ticks": int(fields[19]) if fields else None, "time": time.time(), "boot": boot_id()}


def boot_id() -> str:
    """Return the kernel's boot ID; empty if it has none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process or, with a negative pid, to a group; ignored if it does not exist."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
