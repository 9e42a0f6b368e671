"""How much memory a program takes, looked at from outside: what holds a limit where there is no control group.

In: the program's processes. Out: whether they take more than they may, and when to look again. Memory that processes
share counts once (the proportional set size); since that is slow to ask, it is asked only where the sum of the
resident sizes, which is never smaller, is over the limit.

Standard library only, and light: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

GROWTH = 2 << 30
"""Bytes a second: what a program is expected to take at most between two looks."""
SHORTEST, LONGEST = 0.1, 1.0

Measure = Callable[[Iterable[int]], int]


def resident(pids: Iterable[int]) -> int:
    """Return the sum of the resident sizes, in bytes."""
    if os.path.exists("/proc/self/statm"):
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(_pages(pid) for pid in pids) * page
    wanted = set(pids)
    with os.popen("/bin/ps -axo pid=,rss=") as table:  # noqa: S605 - macOS has no /proc
        rows = [line.split() for line in table]
    return sum(int(size) for pid, size in rows if int(pid) in wanted) * 1024


def proportional(pids: Iterable[int]) -> int:
    """Return the sum of the proportional set sizes, swap included, in bytes; resident where that is not told."""
    return sum(_proportional(pid) for pid in pids)


def pause(headroom: int) -> float:
    """Return how many seconds may pass until the next look."""
    return min(LONGEST, max(SHORTEST, headroom / GROWTH))


class Watch:
    """Looks at a program's memory now and then."""

    def __init__(self, limit: int, *, upper: Measure = resident, exact: Measure = proportional) -> None:
        """Watch over `limit` bytes; `upper` is cheap and never too small, `exact` says it."""
        self.limit = limit
        self.due = time.monotonic()
        self._upper = upper
        self._exact = exact

    def exceeded(self, pids: list[int]) -> bool:
        """Return whether the processes take more than the limit; afterwards `due` says when to ask again."""
        taken = self._upper(pids)
        if taken > self.limit:
            taken = self._exact(pids)
        self.due = time.monotonic() + pause(self.limit - taken)
        return taken > self.limit


def _pages(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1])
    return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return resident([pid])
    return sum(int(row[1]) for row in rows if row[0] in ("Pss:", "SwapPss:")) * 1024
