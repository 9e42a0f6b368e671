from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.widget import text
from tests.unit.widget.jobs import HOSTILE, FakeJob, running

FORMATS = json.loads((Path(__file__).parents[3] / "labextension" / "test" / "formats.json").read_text())


@pytest.mark.parametrize(("name", "number", "words"), [(name, *case) for name in FORMATS for case in FORMATS[name]])
def test_numbers_are_written_as_the_widget_writes_them(name: str, number: float, words: str) -> None:
    assert getattr(text, name)(number) == words


@pytest.mark.parametrize(("number", "word"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_what_is_no_number_has_a_name(number: float, word: str) -> None:
    assert text.value(number) == word


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colours"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="a window title"),
        pytest.param("a\x1b[2J\x1b[Hb", "ab", id="a cleared screen"),
        pytest.param("rm\u202e txt.exe", "rm txt.exe", id="reversed direction"),
        pytest.param("a\tb\r\nc\x00\x9b31m", "a\tb\nc31m", id="tabs and line ends stay"),
        pytest.param("a\ud800b\uffffc", "abc", id="what neither UTF-8 nor XML holds"),
    ],
)
def test_text_of_pods_cannot_move_a_cursor(written: str, shown: str) -> None:
    assert text.clean(written) == shown


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        pytest.param(
            running(), "◐ Running digits-x7k2p · 72 % · 0:41 left · loss 0.1840 · accuracy 0.9620", id="a running job"
        ),
        pytest.param(
            running(state=State.QUEUED, step=None, metrics={}, reason="no room\nat all"),
            "◌ Queued digits-x7k2p · no room",
            id="a waiting job says why",
        ),
        pytest.param(
            running(state=State.COMPLETE, finished=251.0, metrics={}),
            "✓ Complete digits-x7k2p · took 2:31",
            id="a complete job",
        ),
        pytest.param(
            running(state=State.FAILED, finished=109.0, failure=Failure("ValueError: no", 3), step=None),
            "✕ Failed digits-x7k2p · ValueError: no · rank 3 · after 9.0 s",
            id="a failed job",
        ),
        pytest.param(
            running(state=State.FAILED, failure=Failure("rank 3 was killed", 3), step=None),
            "✕ Failed digits-x7k2p · rank 3 was killed",
            id="a rank is named once",
        ),
    ],
)
def test_a_job_in_one_line(snapshot: Snapshot, said: str) -> None:
    assert text.line(snapshot) == said


def test_a_block_is_bounded_and_keeps_the_end_of_a_traceback() -> None:
    failure = Failure("E" * 50_000, 3, "w" * 50_000, "s" * 50_000, "t" * 50_000 + "\nValueError: no", "r" * 50_000)
    said = text.block(running(state=State.FAILED, failure=failure))
    assert said.endswith("t\nValueError: no")
    assert len(said) < 15_000


def test_a_job_in_a_block_says_where_it_failed_and_what_to_do() -> None:
    where = ("Cell [12], line 4", "  loss = f(x)", "Traceback …\n")
    failure = Failure("ValueError: no", 3, *where, remedy="Pad it.", first="Rank 3 of 8 failed first.")
    assert text.block(running(state=State.FAILED, finished=109.0, failure=failure, step=None)).splitlines() == [
        "✕ Failed digits-x7k2p · ValueError: no · rank 3 · after 9.0 s",
        "  8 nodes · torch-distributed · this computer",
        "  queued 0.5 s → training 8.5 s",
        "  Rank 3 of 8 failed first.",
        "  Cell [12], line 4: loss = f(x)",
        "  Pad it.",
        "",
        "Traceback …",
    ]


@pytest.mark.parametrize(
    ("snapshot", "length"),
    [
        pytest.param(running(), 106.0, id="a living job's last phase lasts until now"),
        pytest.param(running(state=State.FAILED, finished=109.0), 8.5, id="a finished job's until its end"),
        pytest.param(running(state=State.STOPPED), None, id="a stopped job's end is not known"),
    ],
)
def test_the_length_of_the_last_phase(snapshot: Snapshot, length: float | None) -> None:
    assert text.lengths(snapshot, now=206.5)[-1] == ("training", length)


def test_nothing_that_a_pod_says_reaches_a_terminal_unread() -> None:
    hostile = Failure(HOSTILE, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    for snapshot in (
        running(name=HOSTILE, runtime=HOSTILE, context=HOSTILE, metrics={HOSTILE: 1.0}, reason=HOSTILE),
        running(state=State.FAILED, failure=hostile),
    ):
        said = text.line(snapshot) + text.block(snapshot)
        assert not {"\x1b", "\x07", "\u202e"} & set(said)


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ticker_prints_each_state_at_once_and_progress_now_and_then() -> None:
    printed: list[str] = []
    clock, job = Time(), FakeJob(running(state=State.QUEUED, step=None, metrics={}))

    def at(now: float, **changes: Any) -> None:
        clock.now = now
        job.change(**changes)

    with text.Ticker(job, write=printed.append, clock=clock):
        at(0.1, state=State.RUNNING)
        at(0.2, step=36)
        at(1.9, step=72)
        at(2.2, step=108)
        at(2.3, step=144)
        at(9.0, step=144)
        at(9.1, step=180)
    assert [each.removeprefix("◐ Running digits-x7k2p · ").split(" · ")[0] for each in printed] == [
        "◌ Queued digits-x7k2p",
        "◐ Running digits-x7k2p",
        "3 %",
        "4 %",
        "5 %",
    ]
    assert job.callbacks == []
