"""Holds one program to its limits, in its shim: what `limits.plan` says, done.

The unborn program is moved into its control groups before it begins, so that everything it starts is in them; where
the kernel refuses a group that was planned, the program's memory is watched instead. No limit asked: no `Guard`.

Standard library only, and light: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from jupyter_trainjob.cluster.agent import cgroups, memory
else:  # beside a shim that was started by its path
    import cgroups
    import memory


class Guard:
    """The limits of one program. `killed` says whether it was, or has to be, killed for memory."""

    def __init__(self, plan: dict[str, Any], pid: int) -> None:
        """Put the program under its limits."""
        self.killed = False
        self.notices: list[int] = []
        """Descriptors that become readable when a control group is out of memory."""
        self._groups: list[str] = []
        self._watch: memory.Watch | None = None
        held = False
        for group in plan["groups"]:
            about_memory = any(name.startswith("memory.") for name in group["files"])
            self._groups.append(group["folder"])
            try:
                cgroups.enter(group, pid)
            except OSError:
                continue
            if about_memory:
                held = True
                if (notice := cgroups.notices(group["folder"])) >= 0:
                    self.notices.append(notice)
        if plan["memory"] and not held:
            self._watch = memory.Watch(plan["memory"])
        if plan["affinity"] is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(pid, plan["affinity"])

    @property
    def due(self) -> float | None:
        """Return when to `look` again, by the monotonic clock; None: never."""
        return None if self._watch is None or self.killed else self._watch.due

    def look(self, pids: list[int]) -> bool:
        """Return whether the program's processes take too much memory and must be killed."""
        if self._watch is not None and self._watch.exceeded(pids):
            self.killed = True
        return self.killed

    def noticed(self, notice: int) -> bool:
        """Return whether the program must be killed as a whole: the kernel said that its memory is used up."""
        with contextlib.suppress(BlockingIOError):
            os.read(notice, 8)
        self.killed = True
        return True

    def finish(self) -> bool:
        """Remove the control groups; return whether the program, of which nothing is left, was killed for memory."""
        for notice in self.notices:
            os.close(notice)
        self.notices = []
        for folder in self._groups:
            self.killed = self.killed or cgroups.kills(folder) > 0
            cgroups.remove(folder)
        return self.killed
