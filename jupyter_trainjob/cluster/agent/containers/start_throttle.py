"""Limit how many programs start at the same time, so that many pods do not overload the computer.

A container's thread acquires a `StartPermit` before it launches the program. A starting program imports for seconds;
its start is over when it is idle (waiting for its rendezvous, a file or work), has used more CPU time than any start,
has ended, or after `LONGEST_SECONDS`, so that ranks that wait for others cannot block them. A warm start costs a
quarter of a cold one.

Programs are measured only by the first thread in the queue, while it waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import psutil

from jupyter_trainjob.cluster.agent.shim import processes

COLD, WARM = 4, 1
LOOK_SECONDS = 0.1
IDLE_SECONDS = 0.2
IDLE_SHARE = 0.1
"""A program that uses less of a CPU, and is not runnable, is idle."""
LONGEST_CPU_SECONDS = 5.0
LONGEST_SECONDS = 15.0

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU seconds of a program with its descendants, and whether one of them is runnable."""

    seconds: float
    busy: bool


Meter = Callable[[Collection[int]], Mapping[int, Usage]]
"""Measures programs by the pid of their first process; ended ones are left out."""


class Sample(NamedTuple):
    """A measurement and its time."""

    at: float
    usage: Usage


def is_over(began: float, before: Sample | None, usage: Usage | None, now: float) -> bool:
    """Return whether the start of a program is over; `usage` is None if it has ended."""
    if usage is None or now - began >= LONGEST_SECONDS or usage.seconds >= LONGEST_CPU_SECONDS:
        return True
    if before is None or before.usage.busy or usage.busy or now - before.at < IDLE_SECONDS:
        return False
    return usage.seconds - before.usage.seconds < IDLE_SHARE * (now - before.at)


class StartPermit:
    """A permit to start one program, until `release`."""

    def __init__(self, throttle: StartThrottle, cost: int, began: float) -> None:
        self.cost = cost
        self.began = began
        self.pid: int | None = None
        self.sample: Sample | None = None
        self._throttle = throttle

    def launched(self, pid: int) -> None:
        """Set the process to measure."""
        self.pid = pid

    def release(self) -> None:
        """Release the permit; idempotent."""
        self._throttle.release(self)


class StartThrottle:
    """The queue of starting programs. Thread-safe."""

    def __init__(self, cpus: int, *, meter: Meter | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow as many cold starts as keep `cpus` CPUs busy."""
        self._free = COLD * max(4, 2 * cpus)
        self._meter = meter or measure_usage
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[threading.Condition] = deque()
        self._starting: set[StartPermit] = set()

    def acquire(self, cost: int, cancelled: Callable[[], bool]) -> StartPermit | None:
        """Wait for a permit, first come, first served; return None once `cancelled` is true."""
        with self._lock:
            turn = threading.Condition(self._lock)
            self._queue.append(turn)
            try:
                while not cancelled():
                    first = self._queue[0] is turn
                    if first and (self._free >= cost or self._release_started(cost)):
                        start = StartPermit(self, cost, self._clock())
                        self._starting.add(start)
                        self._free -= cost
                        return start
                    turn.wait(LOOK_SECONDS if first else None)
                return None
            finally:
                self._queue.remove(turn)
                if self._queue:
                    self._queue[0].notify()

    def release(self, start: StartPermit) -> None:
        """Release a permit."""
        with self._lock:
            self._end(start)
            if self._queue:
                self._queue[0].notify()

    def wake(self) -> None:
        """Make all waiting threads check `cancelled`."""
        with self._lock:
            for turn in self._queue:
                turn.notify()

    def _release_started(self, cost: int) -> bool:
        """Release the permits of starts that are over; return whether another one of that cost is available."""
        now = self._clock()
        usages = self._meter({start.pid for start in self._starting if start.pid is not None})
        for start in list(self._starting):
            if start.pid is None:
                usage: Usage | None = Usage(0.0, busy=True)
            else:
                usage = usages.get(start.pid)
            if is_over(start.began, start.sample, usage, now):
                self._end(start)
            elif usage is not None and (start.sample is None or now - start.sample.at >= IDLE_SECONDS):
                start.sample = Sample(now, usage)
        return self._free >= cost

    def _end(self, start: StartPermit) -> None:
        if start in self._starting:
            self._starting.remove(start)
            self._free += start.cost


def measure_usage(pids: Collection[int]) -> dict[int, Usage]:
    """Measure programs with their descendants, from one list of all processes."""
    if not pids:
        return {}
    table: dict[int, tuple[int, Usage]] = {}
    children: dict[int, list[int]] = {}
    for pid, parent, usage in processes_now():
        table[pid] = (parent, usage)
        children.setdefault(parent, []).append(pid)
    return {pid: _with_descendants(pid, table, children) for pid in pids if pid in table}


def _with_descendants(root: int, table: Mapping[int, tuple[int, Usage]], children: Mapping[int, list[int]]) -> Usage:
    seconds, busy, layer = 0.0, False, [root]
    while layer:
        for pid in layer:
            usage = table[pid][1]
            seconds, busy = seconds + usage.seconds, busy or usage.busy
        layer = [child for pid in layer for child in children.get(pid, ())]
    return Usage(seconds, busy)


def processes_now() -> list[tuple[int, int, Usage]]:
    """Return pid, parent pid and usage, including reaped children, of each process."""
    if psutil.LINUX:
        return [
            (pid, int(fields[1]), Usage(sum(map(int, fields[11:15])) / _TICKS, fields[0] in {"R", "D"}))
            for pid in psutil.pids()
            if (fields := processes.stat_fields(pid))
        ]
    usages = []
    for process in psutil.process_iter(["ppid", "cpu_times", "status"]):
        times, status = process.info["cpu_times"], process.info["status"]
        if times is not None:
            busy = status in {psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP}
            usages.append((process.pid, process.info["ppid"] or 0, Usage(sum(times[:4]), busy)))
    return usages
