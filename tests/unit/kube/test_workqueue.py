"""The work queue of controllers, with a clock that tests set."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from jupyter_trainjob.kube.workqueue import Key, WorkQueue
from tests.waiting import patience

A: Key = ("default", "a")
B: Key = ("default", "b")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock=clock)


def drain(queue: WorkQueue) -> list[Key]:
    keys = []
    while (key := queue.get(timeout=0)) is not None:
        keys.append(key)
        queue.done(key)
    return keys


def test_key_added_several_times_is_processed_once(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.add(A)
    assert len(queue) == 1
    assert drain(queue) == [A]


def test_keys_are_returned_in_the_order_of_their_first_addition(queue: WorkQueue) -> None:
    queue.add(B)
    queue.add(A)
    queue.add(B)
    assert drain(queue) == [B, A]


def test_key_added_while_it_is_processed_is_returned_afterwards(queue: WorkQueue) -> None:
    queue.add(A)
    assert queue.get(timeout=0) == A
    queue.add(A)
    assert queue.get(timeout=0) is None
    queue.done(A)
    assert queue.get(timeout=0) == A


def test_delayed_key_is_returned_when_it_is_due(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 10)
    assert drain(queue) == []
    clock.now += 9.9
    assert drain(queue) == []
    clock.now += 0.1
    assert drain(queue) == [A]


def test_earliest_of_several_delays_of_a_key_counts(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 30)
    queue.add_after(A, 10)
    queue.add_after(A, 20)
    clock.now += 10
    assert drain(queue) == [A]
    clock.now += 100
    assert drain(queue) == []


def test_delay_of_zero_is_immediate(queue: WorkQueue) -> None:
    queue.add_after(A, 0)
    assert drain(queue) == [A]


def test_back_off_doubles_up_to_the_limit_and_is_reset_by_success(clock: Clock) -> None:
    queue = WorkQueue(first_retry=1, last_retry=4, clock=clock)
    pauses = []
    for _ in range(4):
        queue.add_rate_limited(A)
        begin = clock.now
        while not drain(queue):
            clock.now += 0.5
        pauses.append(clock.now - begin)
    assert pauses == [1, 2, 4, 4]
    queue.forget(A)
    queue.add_rate_limited(A)
    clock.now += 1
    assert drain(queue) == [A]


def test_failures_are_counted_per_key(clock: Clock) -> None:
    queue = WorkQueue(first_retry=1, last_retry=100, clock=clock)
    for _ in range(5):
        queue.add_rate_limited(A)
    queue.add_rate_limited(B)
    clock.now += 1
    assert drain(queue) == [A, B]


def test_shutdown_wakes_every_waiting_worker() -> None:
    queue = WorkQueue()
    results: list[Key | None] = []
    threads = [threading.Thread(target=lambda: results.append(queue.get())) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.shut_down()
    for thread in threads:
        thread.join(patience(60))
    assert results == [None, None, None]
    queue.add(A)
    assert queue.get(timeout=0) is None


def test_waiting_worker_wakes_for_a_delayed_key_without_polling() -> None:
    queue = WorkQueue()
    taken: list[Key | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.get(timeout=patience(60))))
    thread.start()
    queue.add_after(B, 30)
    begin = time.monotonic()
    queue.add_after(A, 0.05)
    thread.join(patience(60))
    assert taken == [A], "it slept until the first key"
    assert time.monotonic() - begin >= 0.04


@pytest.mark.parametrize("seed", range(4))
def test_no_key_is_lost_or_processed_concurrently(seed: int) -> None:
    queue = WorkQueue(first_retry=0.0001, last_retry=0.001)
    keys = [("ns", str(number)) for number in range(8)]
    wanted, processed = Counter[Key](), Counter[Key]()
    busy: set[Key] = set()
    lock = threading.Lock()
    overlaps: list[Key] = []

    def work(chance: random.Random) -> None:
        while (key := queue.get()) is not None:
            with lock:
                if key in busy:
                    overlaps.append(key)
                busy.add(key)
                processed[key] = wanted[key]
            again = chance.random() < 0.2
            with lock:
                busy.discard(key)
            if again:
                queue.add_rate_limited(key)
            queue.done(key)

    def produce(chance: random.Random) -> None:
        for _ in range(400):
            key = chance.choice(keys)
            with lock:
                wanted[key] += 1
            chance.choice((queue.add, queue.add, lambda key: queue.add_after(key, 0.0005)))(key)

    workers = [threading.Thread(target=work, args=(random.Random(seed + n),)) for n in range(3)]
    producers = [threading.Thread(target=produce, args=(random.Random(seed * 31 + n),)) for n in range(3)]
    for thread in workers + producers:
        thread.start()
    for thread in producers:
        thread.join(patience(60))
    deadline = time.monotonic() + 60
    while processed != wanted and time.monotonic() < deadline:
        time.sleep(0.001)
    queue.shut_down()
    for thread in workers:
        thread.join(patience(60))
    assert processed == wanted
    assert overlaps == []
