from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from jupyter_trainjob.widget.beat import Beat, Lane
from tests.embedded import wait_for


class Act:
    """What a beat calls: notes when, and on which thread."""

    def __init__(self, *waits: float | Exception | None) -> None:
        self.waits = list(waits)
        self.times: list[float] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self) -> float | None:
        self.times.append(time.monotonic())
        self.threads.add(threading.current_thread())
        wait = self.waits.pop(0) if self.waits else None
        if isinstance(wait, Exception):
            raise wait
        return wait


def test_it_acts_when_rung_and_again_when_that_was_asked_for() -> None:
    act = Act(0.05, 0.05)
    beat = Beat(act, name="test", linger=0.01)
    assert beat.join(0), "there is no thread before the first ring"
    beat.ring()
    wait_for(lambda: len(act.times) == 3)
    assert act.times[2] - act.times[0] >= 0.1
    assert beat.join(5), "nor when there is nothing left to do"
    beat.ring()
    wait_for(lambda: len(act.times) == 4)
    assert beat.join(5)
    assert len(act.threads) == 2


def test_a_ring_while_it_acts_is_not_lost() -> None:
    acting, go_on, count = threading.Event(), threading.Event(), [0]

    def act() -> None:
        count[0] += 1
        acting.set()
        assert go_on.wait(5)

    beat = Beat(act, name="test", linger=0.01)
    beat.ring()
    assert acting.wait(5)
    beat.ring()
    beat.ring()
    go_on.set()
    assert beat.join(5)
    assert count == [2]


def test_no_ring_is_lost_between_two_threads() -> None:
    seen, wanted = [0], [0]
    beat = Beat(lambda: seen.__setitem__(0, wanted[0]), name="test", linger=0.0)
    for number in range(1, 300):
        wanted[0] = number
        beat.ring()
        if number % 3 == 0:
            wait_for(lambda: seen[0] == number, timeout=5)  # noqa: B023 - called at once
    beat.close()
    assert beat.join(5)


def test_after_a_failure_it_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    act = Act(ValueError("no"), None)
    beat = Beat(act, name="the view", linger=0.01, retry=0.05)
    beat.ring()
    wait_for(lambda: len(act.times) == 2)
    assert beat.join(5)
    assert "the view failed" in caplog.text


def test_closed_it_acts_no_more() -> None:
    act = Act(0.01, 0.01, 0.01, 60.0)
    beat = Beat(act, name="test")
    beat.ring()
    wait_for(lambda: len(act.times) == 4)
    beat.close()
    assert beat.join(5)
    beat.ring()
    assert len(act.times) == 4


def test_a_lane_does_all_tasks_in_their_order_one_at_a_time() -> None:
    done: list[int] = []
    lane = Lane(name="test")

    def task(number: int) -> Callable[[], None]:
        return lambda: done.append(number)

    for number in range(200):
        lane.put(task(number))
    wait_for(lambda: len(done) == 200)
    assert done == list(range(200))
    lane.close()
    assert lane.join(5)
