"""The current value of a metric over ranks, as every view shows it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.metrics.history import History
from jupyter_trainjob.metrics.latest_values import LatestValue
from jupyter_trainjob.metrics.log_lines import parse_lines
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame, dumps, encode
from tests.unit.metrics.frames import Rank, record_of

NAN, INF = math.nan, math.inf


def reported(rank: Rank, first: int, *losses: float | None, name: str = "loss") -> list[Frame]:
    """Return the frames of reports at the steps `first`, `first + 1`, …; None reports a step without the metric."""
    steps = list(range(first, first + len(losses)))
    return rank.say("metrics", time=[float(s) for s in steps], step=steps, total=None, metrics={name: list(losses)})


CASES: dict[str, tuple[list[list[Frame]], LatestValue]] = {
    "one rank's value is the value": ([reported(Rank(0), 1, 0.5, 0.25)], LatestValue(0.25, 0.25, 0.25, 1)),
    "of several ranks it is the mean, with the range": (
        [reported(Rank(0), 1, 9.0, 0.25), reported(Rank(1), 1, 9.0, 0.75)],
        LatestValue(0.5, 0.25, 0.75, 2),
    ),
    "ranks that never report it do not count": (
        [reported(Rank(0), 1, 0.5), reported(Rank(1), 1, 7.0, name="accuracy")],
        LatestValue(0.5, 0.5, 0.5, 1),
    ),
    "of ranks at different steps the last report of each counts": (
        [reported(Rank(0), 1, 4.0, 3.0, 2.0), reported(Rank(1), 1, 4.0)],
        LatestValue(3.0, 2.0, 4.0, 2),
    ),
    "a step without the metric leaves the value as it was": (
        [reported(Rank(0), 1, 0.5, None)],
        LatestValue(0.5, 0.5, 0.5, 1),
    ),
    "a rank with nan does not count while others have numbers": (
        [reported(Rank(0), 1, 0.5, NAN, NAN), reported(Rank(1), 1, 0.5, 0.25, 0.75)],
        LatestValue(0.75, 0.75, 0.75, 2, broken=(0,), since=2.0, nan=True),
    ),
    "a rank that has a number again counts again": ([reported(Rank(0), 1, NAN, 0.5)], LatestValue(0.5, 0.5, 0.5, 1)),
    "where no rank has a number, the lowest rank's is the value": (
        [reported(Rank(1), 1, 0.5, NAN), reported(Rank(0), 1, 0.5, 0.5, INF)],
        LatestValue(INF, INF, INF, 2, broken=(0, 1), since=2.0, nan=True),
    ),
    "what never was a number is said to be so": (
        [reported(Rank(0), 4, NAN, NAN)],
        LatestValue(NAN, NAN, NAN, 1, broken=(0,), since=4.0, always=True, nan=True),
    ),
    "after a restart a rank's earlier attempt counts until it reports again": (
        [reported(Rank(0, 1), 1, 5.0, 4.0), reported(Rank(1, 1), 1, 5.0, 2.0), reported(Rank(0, 2), 1, 6.0)],
        LatestValue(4.0, 2.0, 6.0, 2),
    ),
    "what a restart has replaced counts no more, numbers or not": (
        [reported(Rank(0, 1), 1, 5.0, NAN, NAN), reported(Rank(0, 2), 2, 3.0)],
        LatestValue(3.0, 3.0, 3.0, 1),
    ),
    "numbers too large to be added have a mean": (
        [reported(Rank(0), 1, 1.5e308), reported(Rank(1), 1, 1.7e308)],
        LatestValue(1.6e308, 1.5e308, 1.7e308, 2),
    ),
}


@pytest.mark.parametrize(("frames", "expected"), CASES.values(), ids=CASES)
def test_latest_value_of_a_metric(frames: list[list[Frame]], expected: LatestValue) -> None:
    latest = record_of(*frames).latest()["loss"]
    assert repr(latest) == repr(expected)


def test_sequence_of_nan_is_found_across_joined_messages() -> None:
    rank = Rank(0)
    groups = [reported(rank, step, 1.0 if step < 400 else NAN) for step in range(1, 1_001)]
    record = Telemetry()
    for frame in (frame for group in groups for frame in group):
        record.add(frame)
        record.latest()
    assert record.latest()["loss"].since == 400


def test_latest_value_changes_with_each_report() -> None:
    rank, record = Rank(0), Telemetry()
    for step in range(1, 50):
        for frame in reported(rank, step, float(step)):
            record.add(frame)
        assert record.latest()["loss"].mean == step


def test_values_from_checkpoints_equal_those_from_all_frames(tmp_path: Path) -> None:
    """Two ranks with a checkpoint of the history each; one metric was reported long before the end, and by one rank."""
    history = History(tmp_path / "h.db")
    lines: list[bytes] = []

    def say(rank: int, seq: int, kind: str, **body: Any) -> None:
        for line in encode(attempt=7, rank=rank, seq=seq, kind=kind, body=dumps(body)):
            lines.append(b"2026-01-01T00:00:00.%09dZ %s" % (len(lines), line.strip()))

    for rank in (0, 1):
        say(rank, 0, "start", time=1.0, world=2, host="a", pid=1, python="3")
        columns: dict[str, Any] = {"time": [], "step": [], "total": 9, "metrics": {"loss": [], "accuracy": []}}
        for step in range(1, 9):
            accuracy = 0.5 if rank == 0 and step == 3 else None
            row = {"time": [float(step)], "step": [step], "metrics": {"loss": [step + rank], "accuracy": [accuracy]}}
            say(rank, step, "metrics", total=9, **row)
            columns["time"].append(float(step))
            columns["step"].append(step)
            columns["metrics"]["loss"].append(step + rank)
            columns["metrics"]["accuracy"].append(accuracy)
        say(rank, 9, "history", **columns)
        tail = {"time": [9.0], "step": [9], "metrics": {"loss": [9.5 + rank]}}
        say(rank, 10, "metrics", total=9, **tail)
        say(rank, 11, "result", a=1)
        say(rank, 12, "end", time=20.0 + rank, ok=True)
    history.add("job", "pod", 0, parse_lines(lines))
    known: dict[tuple[int, int], int] = {}
    read = list(history.newest_frames("job", known=known))
    few, all_of_it = record_of(read), record_of(history.frames("job"))
    assert [(frame.rank, frame.seq) for frame in read] == [(rank, seq) for rank in (0, 1) for seq in (9, 10, 12, 0)], (
        "neither what the checkpoint repeats nor results"
    )
    assert few.latest() == all_of_it.latest()
    assert {name: value.mean for name, value in few.latest().items()} == {"loss": 10.0, "accuracy": 0.5}
    assert (few.ended(), few.all_started(), few.world) == (21.0, 1.0, 2)
    assert list(history.newest_frames("job", known=known)) == [], "each frame is read once"
    lines.clear()
    say(1, 13, "metrics", time=[10.0], step=[10], total=9, metrics={"loss": [1.0]})
    history.add("job", "pod", 0, parse_lines(lines))
    assert [(frame.rank, frame.seq) for frame in history.newest_frames("job", known=known)] == [(1, 13)]
    history.close()
