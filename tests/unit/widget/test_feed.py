from __future__ import annotations

import math
import struct
from typing import Any
from unittest.mock import ANY

from jupyter_trainjob.client.snapshot import Failure, State
from jupyter_trainjob.widget import feed as module
from jupyter_trainjob.widget.curves import Curve
from jupyter_trainjob.widget.feed import Feed, new_lines, pack, state_of
from tests.unit.widget.jobs import HOSTILE, FakeJob, columns, lines, running

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
        {**OF_THE_JOB, "kind": "log", "skipped": 0, "lines": [[0, 1.0, 0, "a"], [1, 2.0, 1, "b"]], "seq": 1},
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
    assert (log["lines"], log["reset"], log["seq"]) == ([[2, 3.0, 0, "c"]], False, 3)
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
        wait = front.feed.tell()
    assert len(front.states) <= 6
    assert wait is not None
    front.now += wait
    front.feed.tell()
    assert front.states[-1]["step"] == 99


def test_a_late_line_of_another_rank_is_new_though_it_lies_between() -> None:
    old = lines("a", "b", "b")
    late = lines("late", start=1.5)
    assert new_lines(old, (old[0], *late, *old[1:])) == list(late)
    assert new_lines(old, (*old[1:], old[1])) == [old[1]]


def test_the_trait_is_bounded_and_is_json() -> None:
    failure = Failure(HOSTILE * 1000, 3, traceback="x" * 100_000)
    metrics = {f"m{i}": math.nan if i % 2 else math.inf for i in range(500)}
    state = state_of(running(state=State.FAILED, failure=failure, metrics=metrics, log=lines(*"abc")))
    assert len(str(state)) < 30_000
    assert state["metrics"][:2] == [["m0", "inf"], ["m1", "nan"]]
    assert "log" not in state
    assert "\x1b" not in str(state)


def test_long_lines_are_cut() -> None:
    job = FakeJob(running(log=lines("x" * 100_000)))
    front = Front(job)
    front.feed.ready()
    assert len(front.tell()[0]["lines"][0][3]) == module.MAX_LINE


def test_the_head_of_another_job_is_a_message() -> None:
    messages: list[dict[str, Any]] = []
    feed = Feed(FakeJob(), send=lambda content, _: messages.append(content))
    feed.tell()
    assert messages[0] == {"kind": "head", "job": "uid-1", "head": {**state_of(running()), "now": ANY}}


def test_a_curve_travels_as_four_columns_of_doubles() -> None:
    packed = pack(Curve(2, [0.0, 8.0], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5]))
    assert struct.unpack("<8d", packed) == (0, 8, 1, 2, 0.5, 1.5, 1.5, 2.5)
