"""Detection of stalled ranks, and the position in the code that they report."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from jupyter_trainjob.worker.monitoring import hang_watchdog
from jupyter_trainjob.worker.output.messages import Stall
from jupyter_trainjob.worker.protocol import Message, loads

LIMITS = {
    "without reports": ([], 60.0),
    "with quick steps": ([0.0, 0.1, 0.2], 60.0),
    "with slow steps": ([0.0, 10.0, 20.0, 31.0], 200.0),
}


@pytest.mark.parametrize(("times", "seconds"), LIMITS.values(), ids=LIMITS)
def test_silence_limit(times: list[float], seconds: float) -> None:
    assert hang_watchdog.silence_limit(times) == seconds


class WatchedRank:
    """A monitored rank with a settable clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.progress = 0
        self.messages: list[dict[str, Any]] = []
        self.watch = hang_watchdog.ProgressMonitor(
            self._take,
            progress=lambda: self.progress,
            describe=lambda: Stall(time=1.0, quiet=0.0, where="Cell [1], line 2", source="", stack=[("f", 1, "g")]),
            limit=lambda: 10.0,
            clock=lambda: self.now,
        )
        self.watch.poll()

    def _take(self, kind: str, body: bytes) -> None:
        self.messages.append(loads(Message(rank=0, attempt=1, seq=0, kind=kind, body=body)))

    def poll_at(self, *times: float) -> None:
        for self.now in times:
            self.watch.poll()


def test_stall_is_reported_after_the_limit_and_at_growing_intervals() -> None:
    rank = WatchedRank()
    rank.poll_at(*range(1, 100))
    assert [message["quiet"] for message in rank.messages] == [10.0, 20.0, 40.0, 80.0]


def test_progress_after_a_stall_is_reported_once() -> None:
    rank = WatchedRank()
    rank.poll_at(11)
    rank.progress += 1
    rank.poll_at(12, 13)
    assert [bool(message["stack"]) for message in rank.messages] == [True, False]


def test_rank_with_progress_sends_no_stall() -> None:
    rank = WatchedRank()
    for second in range(50):
        rank.progress += 1
        rank.poll_at(second)
    assert rank.messages == []


def test_number_of_messages_is_limited() -> None:
    rank = WatchedRank()
    for second in range(0, 10_000, 20):
        rank.poll_at(second, second + 15)
        rank.progress += 1
    assert sum(bool(message["stack"]) for message in rank.messages) == hang_watchdog.MESSAGES


def test_stack_of_a_thread_names_the_line_of_the_notebook() -> None:
    stalls: list[Stall] = []
    source = "def inner():\n    describe()\ninner()\n"

    def describe() -> None:
        frame = sys._current_frames()[threading.get_ident()]
        stalls.append(hang_watchdog.describe_stack(frame, {"<cell>": "Cell [3]"}))

    exec(compile(source, "<cell>", "exec"), {"describe": describe})
    assert stalls[0]["where"] == "Cell [3], line 2"
    places = [(file, line) for file, line, _ in stalls[0]["stack"]]
    assert places.index(("Cell [3]", 3)) + 1 == places.index(("Cell [3]", 2))


def test_watchdog_can_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hang_watchdog.SECONDS_ENV, "0")
    assert hang_watchdog.start(lambda *_: None, progress=int, reports=list, cells={}) is None
