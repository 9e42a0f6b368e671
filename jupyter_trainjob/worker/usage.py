"""The thread that says what a node uses: processors, memory and GPUs of all processes of its pod, now and then.

Runs in the first rank of each node, beside its speaker, which it hands its messages. It looks every two seconds at
first, then ever more rarely, so that a run of any length says at most 200 KiB; and never spends more than a hundredth
of the time on looking. It waits in the kernel, so it goes on while the cell sits in native code that lets other threads
run, as a framework's does. The first look comes when the cell has begun: no job starts later for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from . import speaker
from .messages import USAGE, Usage
from .protocol import dumps, encode

if TYPE_CHECKING:
    from .gauges import Amounts
    from .nvml import Gpu

DELAY: Final = 0.5
"""Seconds before the first look."""
INTERVAL: Final = 2.0
DRIVERS: Final = ("/dev/nvidiactl", "/dev/dxg")
"""One of these is there where NVIDIA's driver is; the second one on Windows' Linux."""
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
PATIENCE: Final = 100
"""How many times longer than the work of a look the pause after it is."""
FIRST_BYTES: Final = 40 * 2**10
DOUBLING_BYTES: Final = 10 * 2**10
LIMIT_BYTES: Final = 200 * 2**10

Tell = Callable[[str, bytes], None]


def allowance(elapsed: float) -> float:
    """Return how many bytes may have been said after `elapsed` seconds."""
    return speaker.allowance(elapsed, first=FIRST_BYTES, doubling=DOUBLING_BYTES, most=LIMIT_BYTES)


def start(tell: Tell, *, visible: str | None) -> threading.Event:
    """Start the thread; setting the event that is returned ends it. `visible` is what CUDA_VISIBLE_DEVICES says."""
    ended = threading.Event()
    threading.Thread(target=_run, args=(tell, visible, ended), name="trainjob-usage", daemon=True).start()
    return ended


def _run(tell: Tell, visible: str | None, ended: threading.Event) -> None:
    if ended.wait(DELAY):
        return
    # Only now: what a rank needs to begin is loaded first.
    from .gauges import Gauges, find

    watch(Meter(Gauges(find()).read, _gpus(visible)), tell, ended.wait)


def _gpus(visible: str | None) -> Callable[[], list[Gpu]]:
    # Where there is no driver ctypes is left alone: a child that the cell forks while this thread loads it might hang.
    if visible != "" and any(map(os.path.exists, DRIVERS)):
        from .nvml import Nvml

        return Nvml(visible).read
    return list


def watch(
    meter: Meter,
    tell: Tell,
    wait: Callable[[float], bool],
    *,
    clock: Callable[[], float] = time.monotonic,
    effort: Callable[[], float] = time.thread_time,
) -> None:
    """Look again and again, and tell, until `wait`, which pauses for some seconds, says that it is over.

    Where the cell computes in Python, most of a look is waiting for a turn: only work counts as `effort`.
    """
    began, spent, size, pause = clock(), 0, 0, INTERVAL / 2
    meter.look()
    while not wait(pause):
        pause = INTERVAL
        if spent + size > allowance(clock() - began):
            continue  # The next message will be as long as the last one.
        before = effort()
        body = meter.look()
        pause = max(INTERVAL, PATIENCE * (effort() - before))
        if body is not None:
            tell(USAGE, body)
            size = sum(map(len, encode(attempt=time.time_ns() // 10**6, rank=0, seq=0, kind=USAGE, body=body)))
            spent += size


class Meter:
    """Turns counters into what was used since the last look."""

    def __init__(
        self,
        amounts: Callable[[], Amounts],
        gpus: Callable[[], list[Gpu]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._amounts = amounts
        self._gpus = gpus
        self._clock = clock
        self._before: tuple[float, float] | None = None

    def look(self) -> bytes | None:
        """Return a message; None at the first look, and where the kernel does not say."""
        now = self._clock()
        try:
            amounts = self._amounts()
        except (OSError, ValueError):
            return None
        before, self._before = self._before, (now, amounts.cpu)
        if before is None or now <= before[0]:
            return None
        said = Usage(
            time=round(now, 1),
            cpu=round(max(0.0, amounts.cpu - before[1]) / (now - before[0]), 2),
            cpu_limit=amounts.cpu_limit,
            memory=amounts.memory,
            memory_limit=amounts.memory_limit,
            gpus=[(gpu.name, gpu.busy, gpu.memory, gpu.memory_total) for gpu in self._gpus()],
        )
        return dumps(said)
