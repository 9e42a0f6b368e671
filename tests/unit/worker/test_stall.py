"""When a rank counts as standing still, and what it says of where it is."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from jupyter_trainjob.worker import stall
from jupyter_trainjob.worker.messages import Stall
from jupyter_trainjob.worker.protocol import Message, loads

LIMITS = {
    "without reports": ([], 60.0),
    "with quick steps": ([0.0, 0.1, 0.2], 60.0),
    "with slow steps": ([0.0, 10.0, 20.0, 31.0], 200.0),
}


@pytest.mark.parametrize(("times", "seconds"), LIMITS.values(), ids=LIMITS)
def test_how_long_a_silence_counts(times: list[float], seconds: float) -> None:
    assert stall.limit(times) == seconds


class Told:
    """A rank that is watched, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.progress = 0
        self.said: list[dict[str, Any]] = []
        self.watch = stall.Watch(
            self._take,
            progress=lambda: self.progress,
            describe=lambda: Stall(time=1.0, quiet=0.0, where="Cell [1], line 2", source="", stack=[("f", 1, "g")]),
            limit=lambda: 10.0,
            clock=lambda: self.now,
        )
        self.watch.look()

    def _take(self, kind: str, body: bytes) -> None:
        self.said.append(loads(Message(rank=0, attempt=1, seq=0, kind=kind, body=body)))

    def look_at(self, *times: float) -> None:
        for self.now in times:
            self.watch.look()


def test_a_silence_is_told_when_it_counts_and_ever_more_rarely() -> None:
    told = Told()
    told.look_at(*range(1, 100))
    assert [each["quiet"] for each in told.said] == [10.0, 20.0, 40.0, 80.0]


def test_progress_is_told_once() -> None:
    told = Told()
    told.look_at(11)
    told.progress += 1
    told.look_at(12, 13)
    assert [bool(each["stack"]) for each in told.said] == [True, False]


def test_a_rank_that_goes_on_says_nothing() -> None:
    told = Told()
    for second in range(50):
        told.progress += 1
        told.look_at(second)
    assert told.said == []


def test_there_are_at_most_so_many_words() -> None:
    told = Told()
    for second in range(0, 10_000, 20):
        told.look_at(second, second + 15)
        told.progress += 1
    assert sum(bool(each["stack"]) for each in told.said) == stall.WORDS


def test_the_stack_of_a_thread_names_the_line_of_the_notebook() -> None:
    found: list[Stall] = []
    source = "def inner():\n    look()\ninner()\n"

    def look() -> None:
        frame = sys._current_frames()[threading.get_ident()]
        found.append(stall.stack(frame, {"<cell>": "Cell [3]"}))

    exec(compile(source, "<cell>", "exec"), {"look": look})
    assert found[0]["where"] == "Cell [3], line 2"
    places = [(file, line) for file, line, _ in found[0]["stack"]]
    assert places.index(("Cell [3]", 3)) + 1 == places.index(("Cell [3]", 2))


def test_who_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stall.SECONDS_ENV, "0")
    assert stall.start(lambda *_: None, progress=int, reports=list, cells={}) is None
