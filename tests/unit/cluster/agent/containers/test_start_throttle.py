"""The start throttle limits concurrent starts, keeps their order and starves none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping

import pytest

from jupyter_trainjob.cluster.agent.containers.start_throttle import (
    COLD,
    LONGEST_CPU_SECONDS,
    LONGEST_SECONDS,
    WARM,
    Sample,
    StartPermit,
    StartThrottle,
    Usage,
    is_over,
    measure_usage,
)
from tests.waiting import patience, wait_for

WAITS, WORKS = Usage(1.0, busy=False), Usage(1.0, busy=True)


@pytest.mark.parametrize(
    ("before", "usage", "elapsed", "expected"),
    [
        (None, None, 0.1, True),
        (None, WAITS, 0.1, False),
        (Sample(0.1, WAITS), WAITS, 0.2, False),
        (Sample(0.1, WAITS), WAITS, 0.4, True),
        (Sample(0.1, WORKS), WAITS, 0.4, False),
        (Sample(0.1, WAITS), WORKS, 0.4, False),
        (Sample(0.1, WAITS), Usage(1.2, busy=False), 0.4, False),
        (Sample(0.1, WORKS), Usage(LONGEST_CPU_SECONDS, busy=True), 6.0, True),
        (Sample(0.1, WORKS), WORKS, LONGEST_SECONDS, True),
    ],
    ids=[
        "a program that has ended has started",
        "one look is not enough",
        "two looks in a moment are not enough",
        "who waits in both looks has started",
        "who just began to wait may go on at once",
        "who wants a processor now has not started",
        "who used a processor in between has not started",
        "who computes longer than starts take has started",
        "after a while everybody counts as started",
    ],
)
def test_start_is_over(before: Sample | None, usage: Usage | None, elapsed: float, *, expected: bool) -> None:
    assert is_over(0.0, before, usage, elapsed) is expected


class World:
    """Programs with a settable usage and clock."""

    def __init__(self, cpus: int = 1) -> None:
        self.now = 0.0
        self.usage: dict[int, Usage] = {}
        self.measured = 0
        self.pacing = StartThrottle(cpus, meter=self.measure, clock=lambda: self.now)

    def measure(self, pids: Collection[int]) -> Mapping[int, Usage]:
        self.measured += 1
        return {pid: usage for pid, usage in self.usage.items() if pid in pids}

    def start(self, pid: int, usage: Usage = WORKS, *, cost: int = COLD) -> StartPermit:
        start = self.pacing.acquire(cost, lambda: False)
        assert start is not None
        self.usage[pid] = usage
        start.launched(pid)
        return start

    def until_queued(self, count: int) -> None:
        wait_for(lambda: len(self.pacing._queue) == count)

    def ask(self, name: str, granted: list[str], cancelled: threading.Event | None = None) -> threading.Thread:
        def wait() -> None:
            if self.pacing.acquire(COLD, (cancelled or threading.Event()).is_set) is not None:
                granted.append(name)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


def test_first_programs_start_at_once_without_measurement() -> None:
    world = World()
    for pid in range(4):
        world.start(pid)
    assert world.measured == 0


def test_further_programs_wait_in_order_until_one_has_started() -> None:
    world, granted = World(), list[str]()
    first = [world.start(pid) for pid in range(4)]
    threads = []
    for name in "abc":
        threads.append(world.ask(name, granted))
        world.until_queued(len(threads))
    assert not granted
    for number, start in enumerate(first[:3], 1):
        start.release()
        start.release()
        world.until_queued(3 - number)
    assert granted == ["a", "b", "c"]
    for thread in threads:
        thread.join(patience(60))


def test_idle_ranks_let_other_programs_start() -> None:
    world, granted = World(), list[str]()
    for pid in range(4):
        world.start(pid, WAITS)
    thread = world.ask("the rank that they wait for", granted)
    wait_for(lambda: world.measured > 0)
    world.now = 1.0
    thread.join(patience(60))
    assert granted


def test_spinning_ranks_let_other_programs_start_after_a_while() -> None:
    world, granted = World(), list[str]()
    for pid in range(4):
        world.start(pid, WORKS)
    thread = world.ask("the rank that they wait for", granted)
    wait_for(lambda: world.measured > 1)
    assert not granted
    world.now = LONGEST_SECONDS
    thread.join(patience(60))
    assert granted


def test_removed_pod_no_longer_waits() -> None:
    world, granted, cancelled = World(), list[str](), threading.Event()
    for pid in range(4):
        world.start(pid)
    first = world.ask("first", granted, cancelled)
    world.until_queued(1)
    second = world.ask("second", granted, cancelled)
    world.until_queued(2)
    cancelled.set()
    world.pacing.wake()
    first.join(patience(60))
    second.join(patience(60))
    assert not granted
    assert not world.pacing._queue


def test_warm_starts_have_four_times_the_limit() -> None:
    world = World()
    for pid in range(4 * 4):
        world.start(pid, cost=WARM)
    assert world.measured == 0


def test_usage_includes_child_processes() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    spin = "import time; print('up', flush=True)\nwhile True: pass"
    with subprocess.Popen(
        [sys.executable, "-c", code, spin], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            wait_for(lambda: measure_usage([process.pid])[process.pid].seconds > 0.3)
            assert measure_usage([process.pid])[process.pid].busy
        finally:
            _kill(process)
    assert measure_usage([process.pid]) == {}


def test_sleeping_program_is_not_busy() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_for(lambda: not measure_usage([process.pid])[process.pid].busy)
        process.kill()


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
