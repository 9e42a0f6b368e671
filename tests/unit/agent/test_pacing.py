"""Pacing of starts: a few at a time, in the order of their asking, and nobody is kept out for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping

import pytest

from jupyter_trainjob.cluster.agent.pacing import (
    COLD,
    LONGEST_CPU_SECONDS,
    LONGEST_SECONDS,
    WARM,
    Pacing,
    Sample,
    Start,
    Usage,
    is_over,
    measure,
)

WAITS, WORKS = Usage(1.0, busy=False), Usage(1.0, busy=True)


@pytest.mark.parametrize(
    ("before", "usage", "elapsed", "over"),
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
def test_the_end_of_a_start(before: Sample | None, usage: Usage | None, elapsed: float, *, over: bool) -> None:
    assert is_over(0.0, before, usage, elapsed) is over


class World:
    """Programs whose usage is set, under a clock that is set."""

    def __init__(self, cpus: int = 1) -> None:
        self.now = 0.0
        self.usage: dict[int, Usage] = {}
        self.measured = 0
        self.pacing = Pacing(cpus, meter=self.measure, clock=lambda: self.now)

    def measure(self, pids: Collection[int]) -> Mapping[int, Usage]:
        self.measured += 1
        return {pid: usage for pid, usage in self.usage.items() if pid in pids}

    def start(self, pid: int, usage: Usage = WORKS, *, cost: int = COLD) -> Start:
        start = self.pacing.enter(cost, lambda: False)
        assert start is not None
        self.usage[pid] = usage
        start.launched(pid)
        return start

    def until_queued(self, count: int) -> None:
        _until(lambda: len(self.pacing._queue) == count)

    def ask(self, name: str, granted: list[str], cancelled: threading.Event | None = None) -> threading.Thread:
        def wait() -> None:
            if self.pacing.enter(COLD, (cancelled or threading.Event()).is_set) is not None:
                granted.append(name)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


def test_a_few_start_at_once_and_nothing_is_measured() -> None:
    world = World()
    for pid in range(4):
        world.start(pid)
    assert world.measured == 0


def test_the_next_waits_until_one_has_started_and_those_behind_it_keep_their_order() -> None:
    world, granted = World(), list[str]()
    first = [world.start(pid) for pid in range(4)]
    threads = []
    for name in "abc":
        threads.append(world.ask(name, granted))
        world.until_queued(len(threads))
    assert not granted
    for number, start in enumerate(first[:3], 1):
        start.over()
        start.over()
        world.until_queued(3 - number)
    assert granted == ["a", "b", "c"]
    for thread in threads:
        thread.join(30)


def test_ranks_that_wait_for_one_another_let_the_others_in() -> None:
    world, granted = World(), list[str]()
    for pid in range(4):
        world.start(pid, WAITS)
    thread = world.ask("the rank that they wait for", granted)
    _until(lambda: world.measured > 0)
    world.now = 1.0
    thread.join(30)
    assert granted


def test_ranks_that_spin_while_they_wait_let_the_others_in_after_a_while() -> None:
    world, granted = World(), list[str]()
    for pid in range(4):
        world.start(pid, WORKS)
    thread = world.ask("the rank that they wait for", granted)
    _until(lambda: world.measured > 1)
    assert not granted
    world.now = LONGEST_SECONDS
    thread.join(30)
    assert granted


def test_a_pod_that_leaves_waits_no_longer() -> None:
    world, granted, cancelled = World(), list[str](), threading.Event()
    for pid in range(4):
        world.start(pid)
    first = world.ask("first", granted, cancelled)
    world.until_queued(1)
    second = world.ask("second", granted, cancelled)
    world.until_queued(2)
    cancelled.set()
    world.pacing.wake()
    first.join(30)
    second.join(30)
    assert not granted
    assert not world.pacing._queue


def test_four_times_as_many_start_warm() -> None:
    world = World()
    for pid in range(4 * 4):
        world.start(pid, cost=WARM)
    assert world.measured == 0


def test_a_program_is_measured_with_all_that_it_started() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    spin = "import time; print('up', flush=True)\nwhile True: pass"
    with subprocess.Popen(
        [sys.executable, "-c", code, spin], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        _until(lambda: measure([process.pid])[process.pid].seconds > 0.3)
        assert measure([process.pid])[process.pid].busy
        _kill(process)
    assert measure([process.pid]) == {}


def test_a_program_that_sleeps_is_not_busy() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        _until(lambda: not measure([process.pid])[process.pid].busy)
        process.kill()


def _kill(process: subprocess.Popen[bytes]) -> None:

    os.killpg(process.pid, signal.SIGKILL)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
