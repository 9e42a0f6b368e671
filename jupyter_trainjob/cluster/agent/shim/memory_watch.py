"""Poll a program's memory, to enforce a limit without a control group.

In: the program's pids. Out: whether they exceed the limit, and when to check again. Shared memory counts once (the
proportional set size). Because reading that is slow, it is read only if the sum of the resident sizes, an upper bound,
exceeds the limit.

Standard library only: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

GROWTH_BYTES_PER_SECOND = 2 << 30
"""Bytes per second that a program is expected to allocate at most between two checks."""
MIN_SECONDS, MAX_SECONDS = 0.1, 1.0

Measure = Callable[[Iterable[int]], int]


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the sum of the resident sizes, in bytes."""
    if os.path.exists("/proc/self/statm"):
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(_resident_pages(pid) for pid in pids) * page
    wanted = set(pids)
    with os.popen("/bin/ps -axo pid=,rss=") as table:  # noqa: S605 - macOS has no /proc
        rows = [line.split() for line in table]
    return sum(int(size) for pid, size in rows if int(pid) in wanted) * 1024


def proportional_bytes(pids: Iterable[int]) -> int:
    """Return the sum of the proportional set sizes, with swap, in bytes; resident sizes if unavailable."""
    return sum(_proportional_of(pid) for pid in pids)


def seconds_to_next_check(headroom: int) -> float:
    """Return the seconds until the next check, given the bytes below the limit."""
    return min(MAX_SECONDS, max(MIN_SECONDS, headroom / GROWTH_BYTES_PER_SECOND))


class MemoryWatch:
    """Checks a program's memory against a limit."""

    def __init__(self, limit: int, *, upper: Measure = resident_bytes, exact: Measure = proportional_bytes) -> None:
        """`limit` is in bytes; `upper` is a cheap upper bound, `exact` the precise size."""
        self.limit = limit
        self.due = time.monotonic()
        self._upper = upper
        self._exact = exact

    def exceeded(self, pids: list[int]) -> bool:
        """Return whether the processes exceed the limit, and set `due` to the time of the next check."""
        used = self._upper(pids)
        if used > self.limit:
            used = self._exact(pids)
        self.due = time.monotonic() + seconds_to_next_check(self.limit - used)
        return used > self.limit


def _resident_pages(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1])
    return 0


def _proportional_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return resident_bytes([pid])
    return sum(int(row[1]) for row in rows if row[0] in ("Pss:", "SwapPss:")) * 1024
