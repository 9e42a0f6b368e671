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
from jupyter_trainjob.metrics.bands import Array, Band
from jupyter_trainjob.widget.budget import BYTES_PER_SECOND, Budget
from jupyter_trainjob.widget.feed import CHUNK_BYTES, Feed
from jupyter_trainjob.widget.state import row_of, state_of
from tests.books import kept, stamp
from tests.unit.widget.jobs import HOSTILE, FakeJob, columns, lines, running, series_of

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

OF_THE_JOB = {"job": "uid-1", "reset": True}


class Front:
    """The other end: keeps what it is sent."""

    def __init__(self, job: FakeJob) -> None:
        self.now = 1000.0
        self.states: list[dict[str, Any]] = []
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.feed = Feed(job, send=self.receive, set_state=self.states.append, clock=lambda: self.now)

    def receive(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((content, buffers))

    def tell(self, *, after: float = 0.0) -> list[dict[str, Any]]:
        """Let time pass and return what was sent."""
        self.now += after
        self.messages.clear()
        self.feed.changed()
        self.feed.tell()
        return [content for content, _ in self.messages]


def test_a_front_end_that_is_ready_gets_everything() -> None:
    job = FakeJob(running(log=lines("a", "b")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.feed.ready()
    assert front.tell() == [
        {
            **OF_THE_JOB,
            "kind": "log",
            "skipped": 0,
            "before": f"{stamp(1.0)} 0 pod-0",
            "lines": [[1, 1.0, 0, "a"], [2, 2.0, 1, "b"]],
            "seq": 1,
        },
        {**OF_THE_JOB, "kind": "curves", "curves": [{"name": "loss", "ranks": 1, "points": 1}], "seq": 2},
    ]
    assert front.messages[1][1] == [struct.pack("<4d", 0, 2, 2, 2)]
    assert front.states[0]["state"] == "Running"


def test_then_it_gets_what_is_new() -> None:
    job = FakeJob(running(log=lines("a", "b")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.feed.ready()
    front.tell()
    job.now = running(log=(*lines("a", "b"), *lines("c", start=3.0)), step=2593)
    job.columns = columns((0, 1, 0, 2.0), (0, 2, 1, 1.0))
    log, curves = front.tell(after=5)
    assert (log["lines"], log["reset"], log["seq"]) == ([[3, 3.0, 0, "c"]], False, 3)
    assert (curves["curves"][0]["points"], curves["reset"], curves["seq"]) == (2, False, 4)
    assert front.states[-1]["step"] == 2593
    assert front.tell(after=5) == []
    assert len(front.states) == 2


def test_until_one_is_heard_everything_is_sent_whole_but_rarely() -> None:
    job = FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))
    front = Front(job)
    front.tell()
    job.now = running(log=lines("a", "b"))
    assert front.tell(after=0.5) == []
    (log,) = front.tell(after=2)
    assert (log["lines"], log["reset"]) == ([[1, 1.0, 0, "a"], [2, 2.0, 1, "b"]], True)


def test_a_burst_of_changes_is_told_at_its_pace_and_nothing_is_lost() -> None:
    job = FakeJob()
    front = Front(job)
    front.feed.ready()
    front.tell()
    for step in range(100):
        job.now = running(step=step)
        front.now += 0.01
        front.feed.changed()
        wait = front.feed.tell()
    assert len(front.states) <= 6
    assert wait is not None
    front.now += wait
    front.feed.tell()
    assert front.states[-1]["step"] == 99


def test_the_trait_is_bounded_and_is_json() -> None:
    failure = Failure(HOSTILE * 1000, 3, traceback="x" * 100_000)
    metrics = {f"m{i}": math.nan if i % 2 else math.inf for i in range(500)}
    state = state_of(running(state=State.FAILED, failure=failure, metrics=metrics, log=lines(*"abc")))
    assert len(str(state)) < 30_000
    assert state["metrics"][:2] == [["m0", "inf"], ["m1", "nan"]]
    assert "log" not in state
    assert "\x1b" not in str(state)


def test_the_head_of_another_job_is_a_message() -> None:
    messages: list[dict[str, Any]] = []
    feed = Feed(FakeJob(), send=lambda content, _: messages.append(content))
    feed.tell()
    assert messages[0] == {"kind": "head", "job": "uid-1", "head": {**state_of(running()), "now": ANY}}


def test_nodes_are_told_whole_when_one_of_them_changed_at_most_once_a_second() -> None:
    gpu = Gpu("H100", 0.5, 10, 80)
    node = Node(
        0, HOSTILE, HOSTILE, "Running", HOSTILE, usage=Usage(1.0, 1.5, 2.0, 10, None, (gpu,)), ranks=(Rank(0, 7),)
    )
    job = FakeJob(running(pods=(node,)))
    front = Front(job)
    front.feed.ready()
    _, told = front.tell()
    assert told["kind"] == "nodes"
    assert told["nodes"][0]["usage"]["gpus"] == [{"name": "H100", "busy": 0.5, "memory": 10, "memory_total": 80}]
    assert told["nodes"][0]["ranks"] == [{"rank": 0, "step": 7, "step_time": None, "slow": False}]
    assert "\x1b" not in str(told)
    job.now = running(pods=(replace(node, state="Failed", exit_code=1),))
    assert front.tell(after=0.5) == []
    (told,) = front.tell(after=0.6)
    assert (told["nodes"][0]["exit_code"], told["reset"]) == (1, False)
    assert front.tell(after=5) == []


def test_many_curves_come_in_several_messages_within_the_budget_and_all_of_them_come() -> None:
    steps = [float(step) for step in range(1_000)]
    names = [f"m{i}" for i in range(30)]
    table = {"rank": [0.0] * 1_000, "time": steps, "step": steps, **dict.fromkeys(names, steps)}
    job, series = FakeJob(running(log=lines("a"))), series_of(table)
    job.series = lambda: series  # type: ignore[method-assign]
    front = Front(job)
    front.feed.ready()
    front.feed.tell()
    begun = front.now
    seen: list[str] = []
    sizes: list[int] = []
    wait: float | None = 0.0
    while wait is not None:
        front.now += wait
        wait = front.feed.tell()
        messages, front.messages = front.messages, []
        for content, buffers in messages:
            if content["kind"] != "curves":
                continue
            seen += [curve["name"] for curve in content["curves"]]
            sizes.append(sum(map(len, buffers)))
            assert content["reset"] is (len(sizes) == 1)
    assert seen == names
    assert max(sizes) < CHUNK_BYTES + 40_000
    assert sum(sizes) == 30 * 32_000
    assert front.now - begun >= sum(sizes) / BYTES_PER_SECOND - 2


def test_a_busy_second_is_paid_back() -> None:
    clock = [0.0]
    budget = Budget(bytes_per_second=100, clock=lambda: clock[0])
    assert budget.wait() == 0
    budget.spend(350)
    assert budget.wait() == 2.5
    clock[0] = 2.5
    assert budget.wait() == 0
    clock[0] = 60.0
    budget.spend(100)
    assert budget.wait() == 0, "an idle minute is no credit, a second of burst is"
    budget.spend(100)
    assert budget.wait() == 1.0


class Busy:
    """The series of a job that reports twelve metrics all the time."""

    version = 0
    column: Array = np.arange(1_000, dtype=np.float64)

    def names(self) -> list[str]:
        return [f"m{i}" for i in range(12)]

    def changed_since(self, _: int) -> list[str]:
        return self.names()

    def band(self, _: str, *, points: int) -> Band:
        return Band(64, self.column[:points], self.column[:points], self.column[:points], self.column[:points])


def test_a_busy_job_keeps_to_the_budget_and_leaves_nothing_out() -> None:
    job, series = FakeJob(), Busy()
    job.series = lambda: cast("Series", series)  # type: ignore[method-assign]
    front = Front(job)
    front.feed.ready()
    begun, size, curves = front.now, 0, Counter[str]()
    kinds = Counter[str]()
    while front.now < begun + 20:
        series.version += 1
        ranks = tuple(Rank(number, series.version) for number in range(8))
        job.now = running(
            step=series.version,
            pods=tuple(Node(index, f"pod-{index}", "host", "Running", ranks=ranks) for index in range(64)),
        )
        for number in range(60):
            job.book.add(*kept(LogLine(front.now + number / 1_000, number, f"line {number} " * 10)))
        front.tell(after=0.1)
        for content, buffers in front.messages:
            size += len(json.dumps(content)) + sum(map(len, buffers))
            kinds[content["kind"]] += 1
            curves.update(curve["name"] for curve in content.get("curves", ()))
    assert size / 20 < BYTES_PER_SECOND * 1.1
    assert len(front.states) >= 40, "the head is told all the time"
    assert kinds["log"] >= 5
    assert kinds["nodes"] >= 3
    assert len(curves) == 12
    assert max(curves.values()) <= min(curves.values()) + 2, "each curve has its turn"


def test_a_row_says_why_a_job_failed_or_waits() -> None:
    row = row_of(running(failure=Failure("ValueError: no", 3), reason="jobset failed"))
    assert (row["reason"], row["metric"], row["progress"]) == ("ValueError: no", ["loss", 0.184], 0.72)
    assert row_of(running(reason="no room"))["reason"] == "no room"
