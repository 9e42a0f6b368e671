from __future__ import annotations

import json
import math
import struct
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import ANY

import numpy as np

from jupyter_trainjob.client.snapshot import Failure, Gpu, LogLine, Node, Rank, State, Usage
from jupyter_trainjob.feed.job_feed import CHUNK_BYTES, JobFeed
from jupyter_trainjob.feed.rate_limit import BYTES_PER_SECOND, RateLimiter
from jupyter_trainjob.feed.view_state import head_json, row_json
from jupyter_trainjob.metrics.bands import Array, Band
from tests.books import stamp, stored_line
from tests.unit.widget.jobs import HOSTILE, FakeJob, columns, lines, running, series_of

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

HEADER = {"job": "uid-1", "reset": True}


class Front:
    """A front end that records messages, with a clock that a test sets."""

    def __init__(self, job: FakeJob) -> None:
        self.now = 1000.0
        self.states: list[dict[str, Any]] = []
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.feed = JobFeed(job, send=self.receive, set_state=self.states.append, clock=lambda: self.now)

    def receive(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((content, buffers))

    def send_due(self, *, after: float = 0.0) -> list[dict[str, Any]]:
        """Advance the clock by `after` seconds and return the messages that are sent."""
        self.now += after
        self.messages.clear()
        self.feed.mark_changed()
        self.feed.send_due()
        return [content for content, _ in self.messages]


def test_ready_front_end_gets_everything() -> None:
    job = FakeJob(running(log=lines("a", "b")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.feed.resend_all()
    assert front.send_due() == [
        {
            **HEADER,
            "kind": "log",
            "skipped": 0,
            "before": f"{stamp(1.0)} 0 pod-0",
            "lines": [[1, 1.0, 0, "a"], [2, 2.0, 1, "b"]],
            "seq": 1,
        },
        {**HEADER, "kind": "curves", "curves": [{"name": "loss", "ranks": 1, "points": 1}], "seq": 2},
    ]
    assert front.messages[1][1] == [struct.pack("<4d", 0, 2, 2, 2)]
    assert front.states[0]["state"] == "Running"


def test_later_messages_have_what_is_new() -> None:
    job = FakeJob(running(log=lines("a", "b")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.feed.resend_all()
    front.send_due()
    job.now = running(log=(*lines("a", "b"), *lines("c", start=3.0)), step=2593)
    job.columns = columns((0, 1, 0, 2.0), (0, 2, 1, 1.0))
    log, curves = front.send_due(after=5)
    assert (log["lines"], log["reset"], log["seq"]) == ([[3, 3.0, 0, "c"]], False, 3)
    assert (curves["curves"][0]["points"], curves["reset"], curves["seq"]) == (2, False, 4)
    assert front.states[-1]["step"] == 2593
    assert front.send_due(after=5) == []
    assert len(front.states) == 2


def test_before_the_first_ready_everything_is_sent_whole_at_a_lower_rate() -> None:
    job = FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.send_due()
    job.now = running(log=lines("a", "b"))
    assert front.send_due(after=0.5) == []
    (log,) = front.send_due(after=2)
    assert (log["lines"], log["reset"]) == ([[1, 1.0, 0, "a"], [2, 2.0, 1, "b"]], True)


def test_burst_of_changes_is_rate_limited_and_ends_with_the_last_state() -> None:
    job = FakeJob()
    front = Front(job)
    front.feed.resend_all()
    front.send_due()
    for step in range(100):
        job.now = running(step=step)
        front.now += 0.01
        front.feed.mark_changed()
        delay = front.feed.send_due()
    assert len(front.states) <= 6
    assert delay is not None
    front.now += delay
    front.feed.send_due()
    assert front.states[-1]["step"] == 99


def test_head_has_a_bounded_size_and_no_floats_outside_of_json() -> None:
    failure = Failure(HOSTILE * 1000, 3, traceback="x" * 100_000)
    metrics = {f"m{i}": math.nan if i % 2 else math.inf for i in range(500)}
    state = head_json(running(state=State.FAILED, failure=failure, metrics=metrics, log=lines(*"abc")))
    assert len(str(state)) < 30_000
    assert state["metrics"][:2] == [["m0", "inf"], ["m1", "nan"]]
    assert "log" not in state
    assert "\x1b" not in str(state)


def test_head_of_another_job_is_sent_as_a_message() -> None:
    messages: list[dict[str, Any]] = []
    feed = JobFeed(FakeJob(), send=lambda content, _: messages.append(content))
    feed.send_due()
    assert messages[0] == {"kind": "head", "job": "uid-1", "head": {**head_json(running()), "now": ANY}}


def test_all_nodes_are_sent_when_one_changed_at_most_once_a_second() -> None:
    gpu = Gpu("H100", 0.5, 10, 80)
    node = Node(
        0, HOSTILE, HOSTILE, "Running", HOSTILE, usage=Usage(1.0, 1.5, 2.0, 10, None, (gpu,)), ranks=(Rank(0, 7),)
    )
    job = FakeJob(running(pods=(node,)))
    front = Front(job)
    front.feed.resend_all()
    _, message = front.send_due()
    assert message["kind"] == "nodes"
    assert message["nodes"][0]["usage"]["gpus"] == [{"name": "H100", "busy": 0.5, "memory": 10, "memory_total": 80}]
    assert message["nodes"][0]["ranks"] == [{"rank": 0, "step": 7, "step_time": None, "slow": False}]
    assert "\x1b" not in str(message)
    job.now = running(pods=(replace(node, state="Failed", exit_code=1),))
    assert front.send_due(after=0.5) == []
    (message,) = front.send_due(after=0.6)
    assert (message["nodes"][0]["exit_code"], message["reset"]) == (1, False)
    assert front.send_due(after=5) == []


def test_many_curves_are_all_sent_in_several_messages_within_the_rate_limit() -> None:
    steps = [float(step) for step in range(1_000)]
    names = [f"m{i}" for i in range(30)]
    table = {"rank": [0.0] * 1_000, "time": steps, "step": steps, **dict.fromkeys(names, steps)}
    job, series = FakeJob(running(log=lines("a"))), series_of(table)
    job.series = lambda: series  # type: ignore[method-assign]
    front = Front(job)
    front.feed.resend_all()
    front.feed.send_due()
    started = front.now
    sent: list[str] = []
    sizes: list[int] = []
    delay: float | None = 0.0
    while delay is not None:
        front.now += delay
        delay = front.feed.send_due()
        messages, front.messages = front.messages, []
        for content, buffers in messages:
            if content["kind"] != "curves":
                continue
            sent += [curve["name"] for curve in content["curves"]]
            sizes.append(sum(map(len, buffers)))
            assert content["reset"] is (len(sizes) == 1)
    assert sent == names
    assert max(sizes) < CHUNK_BYTES + 40_000
    assert sum(sizes) == 30 * 32_000
    assert front.now - started >= sum(sizes) / BYTES_PER_SECOND - 2


def test_burst_is_repaid_before_the_next_large_message() -> None:
    clock = [0.0]
    limiter = RateLimiter(bytes_per_second=100, clock=lambda: clock[0])
    assert limiter.delay() == 0
    limiter.record(350)
    assert limiter.delay() == 2.5
    clock[0] = 2.5
    assert limiter.delay() == 0
    clock[0] = 60.0
    limiter.record(100)
    assert limiter.delay() == 0, "an idle minute allows no larger burst"
    limiter.record(100)
    assert limiter.delay() == 1.0


class BusySeries:
    """The series of a job that reports twelve metrics all the time."""

    version = 0
    column: Array = np.arange(1_000, dtype=np.float64)

    def names(self) -> list[str]:
        return [f"m{i}" for i in range(12)]

    def changed_since(self, _: int) -> list[str]:
        return self.names()

    def band(self, _: str, *, points: int) -> Band:
        return Band(64, self.column[:points], self.column[:points], self.column[:points], self.column[:points])


def test_busy_job_stays_within_the_rate_limit_and_starves_no_part() -> None:
    job, series = FakeJob(), BusySeries()
    job.series = lambda: cast("Series", series)  # type: ignore[method-assign]
    front = Front(job)
    front.feed.resend_all()
    started, size, curves = front.now, 0, Counter[str]()
    kinds = Counter[str]()
    while front.now < started + 20:
        series.version += 1
        ranks = tuple(Rank(number, series.version) for number in range(8))
        job.now = running(
            step=series.version,
            pods=tuple(Node(index, f"pod-{index}", "host", "Running", ranks=ranks) for index in range(64)),
        )
        for number in range(60):
            job.book.add(*stored_line(LogLine(front.now + number / 1_000, number, f"line {number} " * 10)))
        front.send_due(after=0.1)
        for content, buffers in front.messages:
            size += len(json.dumps(content)) + sum(map(len, buffers))
            kinds[content["kind"]] += 1
            curves.update(curve["name"] for curve in content.get("curves", ()))
    assert size / 20 < BYTES_PER_SECOND * 1.1
    assert len(front.states) >= 40, "the head is not delayed"
    assert kinds["log"] >= 5
    assert kinds["nodes"] >= 3
    assert len(curves) == 12
    assert max(curves.values()) <= min(curves.values()) + 2, "curves take turns"


def test_row_has_the_reason_of_a_failure_or_a_wait() -> None:
    row = row_json(running(failure=Failure("ValueError: no", 3), reason="jobset failed"))
    assert (row["reason"], row["metric"], row["progress"]) == ("ValueError: no", ["loss", 0.184], 0.72)
    assert row_json(running(reason="no room"))["reason"] == "no room"
    assert row["checkpoint"] is None
