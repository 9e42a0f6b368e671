"""Linux control groups, versions 1 and 2: create and enter a group, count OOM kills, remove it.

In: a group from the agent's plan (`container_limits.plan`): its folder, and the contents of its files, in which alone
the two versions differ. The shim moves the program into the group before it starts, and removes the group after its
last process; if the shim was killed, the agent does.

Standard library only: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

REMOVE_SECONDS = 5.0
RETRY_SECONDS = 0.01
_KILLS = ("memory.events", "memory.oom_control")
"""Files with the number of OOM kills, in version 2 and version 1."""


def enter(group: dict[str, Any], pid: int) -> None:
    """Create the group, set its limits, and move a process into it. Raises OSError if the kernel refuses.

    `group` has ``folder``; ``files``: text by file name; ``optional_files``: optional files, whose absence is ignored.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(group["folder"])
    for name, text in group["files"].items():
        _write(group["folder"], name, text)
    for name, text in group["optional_files"].items():
        with contextlib.suppress(OSError):
            _write(group["folder"], name, text)
    _write(group["folder"], "cgroup.procs", str(pid))


def oom_kills(folder: str) -> int:
    """Return how many processes of the group were killed by the OOM killer."""
    for name in _KILLS:
        with contextlib.suppress(OSError), open(os.path.join(folder, name), encoding="ascii") as file:
            for line in file:
                word, _, number = line.partition(" ")
                if word == "oom_kill":
                    return int(number)
    return 0


def open_oom_event(folder: str) -> int:
    """Return an eventfd that becomes readable when the group is out of memory; -1 for version 2, which needs none.

    Version 2 kills the whole group (``memory.oom.group``); version 1 kills one process, and the shim the others.
    """
    control = os.path.join(folder, "memory.oom_control")
    if not os.path.exists(control):
        return -1
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    control_fd = os.open(control, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _write(folder, "cgroup.event_control", f"{event} {control_fd}")
    except OSError:
        os.close(event)
        return -1
    finally:
        os.close(control_fd)
    return event


def member_pids(folder: str) -> list[int]:
    """Return the pids of the group's processes, without those outside of this PID namespace."""
    try:
        with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
            return [pid for line in file if (pid := int(line))]
    except OSError:
        return []


def remove(folder: str) -> bool:
    """Kill the processes of the group and remove it; return whether it was removed."""
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
        for pid in member_pids(folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(RETRY_SECONDS)


def _write(folder: str, name: str, text: str) -> None:
    # Without O_CREAT, so that a file that the kernel does not have is an error.
    fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
