from __future__ import annotations

import json
import math
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.rendering import text
from tests.paths import ROOT
from tests.unit.widget.jobs import HOSTILE, FakeJob, running

FORMATS = json.loads((ROOT / "labextension" / "test" / "formats.json").read_text())


@pytest.mark.parametrize(("name", "number", "expected"), [(name, *case) for name in FORMATS for case in FORMATS[name]])
def test_numbers_have_the_same_format_as_in_the_widget(name: str, number: float, expected: str) -> None:
    assert getattr(text, f"format_{name}")(number) == expected


@pytest.mark.parametrize(("number", "expected"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_nan_and_infinities_are_formatted(number: float, expected: str) -> None:
    assert text.format_value(number) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colours"),
        pytest.param("a\x1b]0;title\x07b", "ab", id="a window title"),
        pytest.param("a\x1b[2J\x1b[Hb", "ab", id="a cleared screen"),
        pytest.param("rm\u202e txt.exe", "rm txt.exe", id="reversed direction"),
        pytest.param("a\tb\r\nc\x00\x9b31m", "a\tb\nc31m", id="tabs and line ends stay"),
        pytest.param("a\ud800b\uffffc", "abc", id="invalid in UTF-8 or XML"),
    ],
)
def test_control_sequences_are_removed(raw: str, expected: str) -> None:
    assert text.sanitize(raw) == expected


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        pytest.param(
            running(), "◐ Running digits-x7k2p · 72 % · 0:41 left · loss 0.1840 · accuracy 0.9620", id="a running job"
        ),
        pytest.param(
            running(state=State.QUEUED, step=None, metrics={}, reason="no room\nat all"),
            "◌ Queued digits-x7k2p · no room",
            id="a waiting job with its reason",
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
def test_summary_line(snapshot: Snapshot, expected: str) -> None:
    assert text.summary_line(snapshot) == expected


def test_summary_is_bounded_and_keeps_the_end_of_a_traceback() -> None:
    failure = Failure("E" * 50_000, 3, "w" * 50_000, "s" * 50_000, "t" * 50_000 + "\nValueError: no", "r" * 50_000)
    summary = text.summary(running(state=State.FAILED, failure=failure))
    assert summary.endswith("t\nValueError: no")
    assert len(summary) < 15_000


def test_summary_of_a_failed_job_has_the_location_and_the_remedy() -> None:
    where = ("Cell [12], line 4", "  loss = f(x)", "Traceback …\n")
    failure = Failure("ValueError: no", 3, *where, remedy="Pad it.", first="Rank 3 (of 0–7) failed first.")
    assert text.summary(running(state=State.FAILED, finished=109.0, failure=failure, step=None)).splitlines() == [
        "✕ Failed digits-x7k2p · ValueError: no · rank 3 · after 9.0 s",
        '  8 nodes · torch-distributed · this computer · in Python: get("digits-x7k2p")',
        "  queued 0.5 s → training 8.5 s",
        "  Rank 3 (of 0–7) failed first.",
        "  Cell [12], line 4: loss = f(x)",
        "  Pad it.",
        "",
        "Traceback …",
    ]


@pytest.mark.parametrize(
    ("snapshot", "duration"),
    [
        pytest.param(running(), 106.0, id="of a running job until now"),
        pytest.param(running(state=State.FAILED, finished=109.0), 8.5, id="of a finished job until its end"),
        pytest.param(running(state=State.STOPPED), None, id="unknown for a stopped job"),
    ],
)
def test_duration_of_the_last_phase(snapshot: Snapshot, duration: float | None) -> None:
    assert text.phase_durations(snapshot, now=206.5)[-1] == ("training", duration)


def test_summary_has_ranges_over_ranks_and_warnings() -> None:
    job = running(
        ranges={"loss": (0.1, 0.25), "accuracy": (0.9, 0.9)}, warnings=("loss is NaN on rank 3.",), restarts=1
    )
    assert text.summary(job, now=206.5).splitlines() == [
        "◐ Running digits-x7k2p · 72 % · 0:41 left · loss 0.1840 · accuracy 0.9620",
        '  8 nodes · attempt 2 · torch-distributed · this computer · in Python: get("digits-x7k2p")',
        "  queued 0.5 s → training 1:46",
        "  loss is NaN on rank 3.",
        "  over ranks: loss from 0.1000 to 0.2500",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"procs_per_node": 2}, "8 nodes, 2 processes each", id="several processes"),
        pytest.param({"nodes_done": 3, "ranks_running": 2}, "3 of 8 nodes done, 2 running", id="one after another"),
    ],
)
def test_first_fact_is_the_size_of_the_job(changes: dict[str, Any], expected: str) -> None:
    assert text.fact_list(running(**changes))[0] == expected


def test_handle_expression_is_the_variable_only_if_it_holds_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = running(variable="digits")
    assert text.handle_expression(job) == 'get("digits-x7k2p")', "no kernel"
    names: dict[str, Any] = {}
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(user_ns=names))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert text.handle_expression(job) == 'get("digits-x7k2p")', "a kernel that was restarted"
    names["digits"] = SimpleNamespace(uid="another")
    assert text.handle_expression(job) == 'get("digits-x7k2p")', "a variable that holds a later job"
    names["digits"] = SimpleNamespace(uid="uid-1")
    assert text.handle_expression(job) == "digits"


def test_summaries_have_no_control_characters_of_pods() -> None:
    hostile = Failure(HOSTILE, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    for snapshot in (
        running(name=HOSTILE, runtime=HOSTILE, context=HOSTILE, metrics={HOSTILE: 1.0}, reason=HOSTILE),
        running(state=State.FAILED, failure=hostile),
    ):
        summaries = text.summary_line(snapshot) + text.summary(snapshot)
        assert not {"\x1b", "\x07", "\u202e"} & set(summaries)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_ticker_prints_state_changes_at_once_and_progress_at_intervals() -> None:
    printed: list[str] = []
    clock, job = Clock(), FakeJob(running(state=State.QUEUED, step=None, metrics={}))

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
    assert [line.removeprefix("◐ Running digits-x7k2p · ").split(" · ")[0] for line in printed] == [
        "◌ Queued digits-x7k2p",
        "◐ Running digits-x7k2p",
        "3 %",
        "4 %",
        "5 %",
    ]
    assert job.callbacks == []
