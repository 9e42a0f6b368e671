"""Who may start now: of many programs at once a few start at a time, so that two hundred do not thrash one computer.

A container's thread asks for a `Start` before it launches the program, and waits its turn. A program that starts
imports for seconds; its start is over when it waits for something (its rendezvous, a file, its work), when it has
computed for longer than any start takes, when it has ended, and after `LONGEST_SECONDS` in any case: ranks that wait
for one another can never keep those out that they wait for. A warm start costs a quarter of a cold one.

Nothing is measured while nobody waits: the first in the queue looks at those that start.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import psutil

from jupyter_trainjob.cluster.agent import processes

COLD, WARM = 4, 1
LOOK_SECONDS = 0.1
IDLE_SECONDS = 0.2
IDLE_SHARE = 0.1
"""A program that used less of a core than this, and does not want one now, waits for something."""
LONGEST_CPU_SECONDS = 5.0
LONGEST_SECONDS = 15.0

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a program and all below it have used of the processors, and whether one of them wants one now."""

    seconds: float
    busy: bool


Meter = Callable[[Collection[int]], Mapping[int, Usage]]
"""Measures programs by the pid of their first process; those that are gone are left out."""


class Sample(NamedTuple):
    """A measurement and its time."""

    at: float
    usage: Usage


def is_over(began: float, before: Sample | None, usage: Usage | None, now: float) -> bool:
    """Return whether the start of a program is over; `usage` is None for one that has ended."""
    if usage is None or now - began >= LONGEST_SECONDS or usage.seconds >= LONGEST_CPU_SECONDS:
        return True
    if before is None or before.usage.busy or usage.busy or now - before.at < IDLE_SECONDS:
        return False
    return usage.seconds - before.usage.seconds < IDLE_SHARE * (now - before.at)


class Start:
    """The right to start one program, until that is over."""

    def __init__(self, pacing: Pacing, cost: int, began: float) -> None:
        self.cost = cost
        self.began = began
        self.pid: int | None = None
        self.sample: Sample | None = None
        self._pacing = pacing

    def launched(self, pid: int) -> None:
        """Say which process is to be looked at."""
        self.pid = pid

    def over(self) -> None:
        """Let others start; once or more often."""
        self._pacing.leave(self)


class Pacing:
    """The queue of an agent's starts. Thread-safe."""

    def __init__(self, cpus: int, *, meter: Meter | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Let as many start cold at once as keep `cpus` processors busy."""
        self._free = COLD * max(4, 2 * cpus)
        self._meter = meter or measure
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[threading.Condition] = deque()
        self._held: set[Start] = set()

    def enter(self, cost: int, cancelled: Callable[[], bool]) -> Start | None:
        """Wait for the right to start a program, first come, first served; None once `cancelled` is true."""
        with self._lock:
            turn = threading.Condition(self._lock)
            self._queue.append(turn)
            try:
                while not cancelled():
                    first = self._queue[0] is turn
                    if first and (self._free >= cost or self._settle(cost)):
                        start = Start(self, cost, self._clock())
                        self._held.add(start)
                        self._free -= cost
                        return start
                    turn.wait(LOOK_SECONDS if first else None)
                return None
            finally:
                self._queue.remove(turn)
                if self._queue:
                    self._queue[0].notify()

    def leave(self, start: Start) -> None:
        """Take a start as over."""
        with self._lock:
            self._end(start)
            if self._queue:
                self._queue[0].notify()

    def wake(self) -> None:
        """Have everybody who waits look whether they still want to."""
        with self._lock:
            for turn in self._queue:
                turn.notify()

    def _settle(self, cost: int) -> bool:
        """End the starts that are over; return whether there is room for another of that cost."""
        now = self._clock()
        found = self._meter({start.pid for start in self._held if start.pid is not None})
        for start in list(self._held):
            if start.pid is None:
                usage: Usage | None = Usage(0.0, busy=True)
            else:
                usage = found.get(start.pid)
            if is_over(start.began, start.sample, usage, now):
                self._end(start)
            elif usage is not None and (start.sample is None or now - start.sample.at >= IDLE_SECONDS):
                start.sample = Sample(now, usage)
        return self._free >= cost

    def _end(self, start: Start) -> None:
        if start in self._held:
            self._held.remove(start)
            self._free += start.cost


def measure(pids: Collection[int]) -> dict[int, Usage]:
    """Measure programs and what descends from them, in one look at all processes."""
    if not pids:
        return {}
    found: dict[int, tuple[int, Usage]] = {}
    children: dict[int, list[int]] = {}
    for pid, parent, usage in processes_now():
        found[pid] = (parent, usage)
        children.setdefault(parent, []).append(pid)
    return {pid: _with_descendants(pid, found, children) for pid in pids if pid in found}


def _with_descendants(root: int, found: Mapping[int, tuple[int, Usage]], children: Mapping[int, list[int]]) -> Usage:
    seconds, busy, layer = 0.0, False, [root]
    while layer:
        for pid in layer:
            usage = found[pid][1]
            seconds, busy = seconds + usage.seconds, busy or usage.busy
        layer = [child for pid in layer for child in children.get(pid, ())]
    return Usage(seconds, busy)


def processes_now() -> list[tuple[int, int, Usage]]:
    """Return each process with its parent and its usage, that of its ended children included."""
    if psutil.LINUX:
        return [
            (pid, int(fields[1]), Usage(sum(map(int, fields[11:15])) / _TICKS, fields[0] in {"R", "D"}))
            for pid in psutil.pids()
            if (fields := processes.stat_fields(pid))
        ]
    found = []
    for process in psutil.process_iter(["ppid", "cpu_times", "status"]):
        times, status = process.info["cpu_times"], process.info["status"]
        if times is not None:
            busy = status in {psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP}
            found.append((process.pid, process.info["ppid"] or 0, Usage(sum(times[:4]), busy)))
    return found
