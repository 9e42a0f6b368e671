"""Enforce a program's limits in its shim, according to `container_limits.plan`.

The process is moved into its control groups before it becomes the program, so that all its children are in them. If
the kernel refuses a planned memory group, the program's memory is polled instead.

Standard library only: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from jupyter_trainjob.cluster.agent.shim import cgroups, memory_watch
else:  # beside a shim that was started by its path
    import cgroups
    import memory_watch


class LimitEnforcer:
    """Enforces the limits of one program. `killed`: whether it was, or must be, killed for memory."""

    def __init__(self, plan: dict[str, Any], pid: int) -> None:
        """Apply the limits of `plan` to the process."""
        self.killed = False
        self.oom_events: list[int] = []
        """Event descriptors that become readable when a control group is out of memory."""
        self._groups: list[str] = []
        self._memory_watch: memory_watch.MemoryWatch | None = None
        memory_grouped = False
        for group in plan["groups"]:
            limits_memory = any(name.startswith("memory.") for name in group["files"])
            self._groups.append(group["folder"])
            try:
                cgroups.enter(group, pid)
            except OSError:
                continue
            if limits_memory:
                memory_grouped = True
                if (event := cgroups.open_oom_event(group["folder"])) >= 0:
                    self.oom_events.append(event)
        if plan["memory"] and not memory_grouped:
            self._memory_watch = memory_watch.MemoryWatch(plan["memory"])
        if plan["affinity"] is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(pid, plan["affinity"])

    @property
    def next_check(self) -> float | None:
        """Return the monotonic time of the next `check_memory`; None if not needed."""
        return None if self._memory_watch is None or self.killed else self._memory_watch.due

    def check_memory(self, pids: list[int]) -> bool:
        """Return whether the program's processes exceed the memory limit and must be killed."""
        if self._memory_watch is not None and self._memory_watch.exceeded(pids):
            self.killed = True
        return self.killed

    def handle_oom_event(self, event: int) -> bool:
        """Consume an out-of-memory event; return whether the whole program must be killed."""
        with contextlib.suppress(BlockingIOError):
            os.read(event, 8)
        self.killed = True
        return True

    def finish(self) -> bool:
        """Remove the control groups after the last process; return whether the program was killed for memory."""
        for event in self.oom_events:
            os.close(event)
        self.oom_events = []
        for folder in self._groups:
            self.killed = self.killed or cgroups.oom_kills(folder) > 0
            cgroups.remove(folder)
        return self.killed
