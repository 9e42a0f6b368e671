from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from jupyter_trainjob.feed.background import SerialExecutor, TriggeredTask
from tests.waiting import patience, wait_for


class Recorder:
    """Records when and on which thread it is called; returns or raises the given values."""

    def __init__(self, *results: float | Exception | None) -> None:
        self.results = list(results)
        self.times: list[float] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self) -> float | None:
        self.times.append(time.monotonic())
        self.threads.add(threading.current_thread())
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result


def test_function_runs_after_a_trigger_and_again_after_the_delay_it_returned() -> None:
    function = Recorder(0.05, 0.05)
    task = TriggeredTask(function, name="test", linger=0.01)
    assert task.join(0), "no thread before the first trigger"
    task.trigger()
    wait_for(lambda: len(function.times) == 3)
    assert function.times[2] - function.times[0] >= 0.1
    assert task.join(patience(60)), "no thread when idle"
    task.trigger()
    wait_for(lambda: len(function.times) == 4)
    assert task.join(patience(60))
    assert len(function.threads) == 2


def test_triggers_during_a_run_cause_one_more_run() -> None:
    started, proceed, count = threading.Event(), threading.Event(), [0]

    def function() -> None:
        count[0] += 1
        started.set()
        assert proceed.wait(patience(60))

    task = TriggeredTask(function, name="test", linger=0.01)
    task.trigger()
    assert started.wait(patience(60))
    task.trigger()
    task.trigger()
    proceed.set()
    assert task.join(patience(60))
    assert count == [2]


@pytest.mark.slow
def test_no_trigger_is_lost_between_two_threads() -> None:
    processed, submitted = [0], [0]
    task = TriggeredTask(lambda: processed.__setitem__(0, submitted[0]), name="test", linger=0.0)
    for number in range(1, 300):
        submitted[0] = number
        task.trigger()
        if number % 3 == 0:
            wait_for(lambda: processed[0] == number)  # noqa: B023 - called at once
    task.close()
    assert task.join(patience(60))


def test_function_that_raised_runs_again_after_the_retry_delay(caplog: pytest.LogCaptureFixture) -> None:
    function = Recorder(ValueError("no"), None)
    task = TriggeredTask(function, name="the view", linger=0.01, retry=0.05)
    task.trigger()
    wait_for(lambda: len(function.times) == 2)
    assert task.join(patience(60))
    assert "the view failed" in caplog.text


def test_closed_task_does_not_run_again() -> None:
    function = Recorder(0.01, 0.01, 0.01, 60.0)
    task = TriggeredTask(function, name="test")
    task.trigger()
    wait_for(lambda: len(function.times) == 4)
    task.close()
    assert task.join(patience(60))
    task.trigger()
    assert len(function.times) == 4


def test_executor_runs_tasks_in_the_order_of_submission() -> None:
    done: list[int] = []
    executor = SerialExecutor(name="test")

    def append_task(number: int) -> Callable[[], None]:
        return lambda: done.append(number)

    for number in range(200):
        executor.submit(append_task(number))
    wait_for(lambda: len(done) == 200)
    assert done == list(range(200))
    executor.close()
    assert executor.join(patience(60))
