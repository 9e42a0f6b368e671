"""The thread that reports the processors, memory and GPUs that a node uses.

Runs in the first rank of each node. It samples every two seconds at first, then ever more rarely, so that a run of any
length writes at most 200 KiB, and sampling takes at most a hundredth of the time. The first sample is taken after the
cell has started, so that it delays no job.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..output import frame_writer
from ..output.messages import USAGE, Usage
from ..protocol import dumps, encode

if TYPE_CHECKING:
    from .nvml import Gpu
    from .resource_usage import ResourceUsage

DELAY: Final = 0.5
"""Seconds before the first sample."""
INTERVAL: Final = 2.0
DRIVERS: Final = ("/dev/nvidiactl", "/dev/dxg")
"""Device files of NVIDIA's driver; the second one is that of WSL."""
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
PATIENCE: Final = 100
"""Ratio of the pause after a sample to the CPU time of the sample."""
FIRST_BYTES: Final = 40 * 2**10
DOUBLING_BYTES: Final = 10 * 2**10
LIMIT_BYTES: Final = 200 * 2**10

Send = Callable[[str, bytes], None]


def allowance(elapsed: float) -> float:
    """Return how many bytes may have been written after `elapsed` seconds."""
    return frame_writer.allowance(elapsed, first=FIRST_BYTES, doubling=DOUBLING_BYTES, most=LIMIT_BYTES)


def start(send: Send, *, visible: str | None) -> threading.Event:
    """Start the thread; return an event that stops it. `visible` is the value of CUDA_VISIBLE_DEVICES."""
    ended = threading.Event()
    threading.Thread(target=_run, args=(send, visible, ended), name="trainjob-usage", daemon=True).start()
    return ended


def _run(send: Send, visible: str | None, ended: threading.Event) -> None:
    if ended.wait(DELAY):
        return
    # Imported late: what a rank needs to start is loaded first.
    from .resource_usage import ResourceSampler, find_cgroups

    report_usage(UsageMeter(ResourceSampler(find_cgroups()).read, _gpus(visible)), send, ended.wait)


def _gpus(visible: str | None) -> Callable[[], list[Gpu]]:
    # Without a driver ctypes is not loaded: a child that the cell forks during that import might hang.
    if visible != "" and any(map(os.path.exists, DRIVERS)):
        from .nvml import Nvml

        return Nvml(visible).read
    return list


def report_usage(
    meter: UsageMeter,
    send: Send,
    wait: Callable[[float], bool],
    *,
    clock: Callable[[], float] = time.monotonic,
    effort: Callable[[], float] = time.thread_time,
) -> None:
    """Sample and send until `wait`, which pauses for some seconds, returns True.

    If the cell computes in Python, most of a sample is waiting for the GIL: only CPU time counts as `effort`.
    """
    began, spent, size, pause = clock(), 0, 0, INTERVAL / 2
    meter.sample()
    while not wait(pause):
        pause = INTERVAL
        if spent + size > allowance(clock() - began):
            continue  # The next message is assumed to be as long as the last one.
        before = effort()
        body = meter.sample()
        pause = max(INTERVAL, PATIENCE * (effort() - before))
        if body is not None:
            send(USAGE, body)
            size = sum(map(len, encode(attempt=time.time_ns() // 10**6, rank=0, seq=0, kind=USAGE, body=body)))
            spent += size


class UsageMeter:
    """Converts counters to the usage since the previous sample."""

    def __init__(
        self,
        amounts: Callable[[], ResourceUsage],
        gpus: Callable[[], list[Gpu]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._amounts = amounts
        self._gpus = gpus
        self._clock = clock
        self._before: tuple[float, float] | None = None

    def sample(self) -> bytes | None:
        """Return a message; None for the first sample, and if the kernel's files cannot be read."""
        now = self._clock()
        try:
            amounts = self._amounts()
        except (OSError, ValueError):
            return None
        before, self._before = self._before, (now, amounts.cpu)
        if before is None or now <= before[0]:
            return None
        message = Usage(
            time=round(now, 1),
            cpu=round(max(0.0, amounts.cpu - before[1]) / (now - before[0]), 2),
            cpu_limit=amounts.cpu_limit,
            memory=amounts.memory,
            memory_limit=amounts.memory_limit,
            gpus=[(gpu.name, gpu.busy, gpu.memory, gpu.memory_total) for gpu in self._gpus()],
        )
        return dumps(message)
