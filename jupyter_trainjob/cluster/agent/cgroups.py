"""Control groups of Linux, versions 1 and 2, as folders: enter one, ask it about kills, empty and remove it.

In: a group as the agent planned it (`limits.plan`): its folder, and what is written into which of its files. Nothing
here knows what a limit is, so the two versions differ in the plan alone. The shim moves the unborn program in, and
removes the group when nothing is left of the program; where the shim was killed, the agent does.

Standard library only, and light: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

REMOVE_SECONDS = 5.0
LOOK_SECONDS = 0.01
_KILLS = ("memory.events", "memory.oom_control")
"""Where version 2 and version 1 count the processes that were killed for memory."""


def enter(group: dict[str, Any], pid: int) -> None:
    """Make the group, set its limits, and move a process into it; OSError where the kernel refuses.

    ``folder``; ``files``: text by name; ``wishes``: the same, for what a kernel may be built without.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(group["folder"])
    for name, text in group["files"].items():
        _write(group["folder"], name, text)
    for name, text in group["wishes"].items():
        with contextlib.suppress(OSError):
            _write(group["folder"], name, text)
    _write(group["folder"], "cgroup.procs", str(pid))


def kills(folder: str) -> int:
    """Return how many processes of the group the kernel has killed for memory."""
    for name in _KILLS:
        with contextlib.suppress(OSError), open(os.path.join(folder, name), encoding="ascii") as file:
            for line in file:
                word, _, number = line.partition(" ")
                if word == "oom_kill":
                    return int(number)
    return 0


def notices(folder: str) -> int:
    """Return a descriptor that becomes readable when the group is out of memory; -1 where version 2 needs none.

    Version 2 kills a group as a whole (``memory.oom.group``); version 1 kills one process, and whoever is told of it
    has to kill the others.
    """
    control = os.path.join(folder, "memory.oom_control")
    if not os.path.exists(control):
        return -1
    notice = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    watched = os.open(control, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _write(folder, "cgroup.event_control", f"{notice} {watched}")
    except OSError:
        os.close(notice)
        return -1
    finally:
        os.close(watched)
    return notice


def members(folder: str) -> list[int]:
    """Return the processes of the group, as far as they have a number here: those of another container read 0."""
    try:
        with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
            return [pid for line in file if (pid := int(line))]
    except OSError:
        return []


def remove(folder: str) -> bool:
    """Kill what is in the group and remove it; return whether it is gone. There is no event to wait for."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
        for pid in members(folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _write(folder: str, name: str, text: str) -> None:
    # Without O_CREAT: a file that the kernel does not offer must not come into being.
    fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
