from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from jupyter_trainjob.metrics.node_usage import Gpu, Usage
from jupyter_trainjob.metrics.telemetry import SAMPLES, Telemetry
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.metrics.frames import Rank, record_of


def test_repeated_and_unordered_frames_count_once() -> None:
    rank = Rank()
    first, second = rank.report(1, 3), rank.report(4, 6)
    record = record_of(second, first, second, first)
    assert record.columns()["step"] == [1, 2, 3, 4, 5, 6]


def test_ranks_are_columns_of_one_length() -> None:
    columns = record_of(Rank(0).report(1, 2), Rank(1).report(1, 3)).columns()
    assert columns["rank"] == [0, 0, 1, 1, 1]
    assert {len(column) for column in columns.values()} == {5}


def test_missing_metric_in_a_row_is_nan() -> None:
    rank = Rank()
    losses = rank.report(1, 1)
    other = rank.say("metrics", time=[9.0], step=[None], total=None, metrics={"accuracy": [0.5]})
    columns = record_of(losses, other).columns()
    assert math.isnan(columns["accuracy"][0])
    assert math.isnan(columns["loss"][1])
    assert math.isnan(columns["step"][1])


def test_checkpoint_replaces_missing_frames_only() -> None:
    rank = Rank()
    early = rank.report(1, 3)
    checkpoint = rank.say("history", time=[1.0, 3.0], step=[1, 3], total=9, metrics={"loss": [1.0, 0.3]})
    late = rank.report(4, 5)
    assert record_of(early, checkpoint, late).columns()["step"] == [1, 2, 3, 4, 5]
    assert record_of(checkpoint, late).columns()["step"] == [1, 3, 4, 5]


def test_later_attempt_replaces_rows_from_its_first_step_on() -> None:
    record = record_of(Rank(attempt=1).report(1, 6), Rank(attempt=2).report(4, 5))
    columns = record.columns()
    assert columns["step"] == [1, 2, 3, 4, 5]
    assert record.recent(0, 10)[-1] == (5.0, 5.0)


def test_error_and_result_of_an_earlier_attempt_are_discarded() -> None:
    earlier, later = Rank(attempt=1), Rank(attempt=2)
    record = record_of(earlier.say("raised", a=1), earlier.say("result", a=1))
    assert record.raised(0) is not None
    assert record.result(0) is not None
    record = record_of(earlier.say("raised", a=1), earlier.say("result", a=1), later.report(1, 2))
    assert record.raised(0) is None
    assert record.result(0) is None


def test_leader_is_the_lowest_rank_that_reports() -> None:
    record = record_of(Rank(0).say("start", time=1.0, world=2, host="a", pid=1, python="3"), Rank(1).report(1, 2, 8))
    assert record.leader() == 1
    assert record.total(1) == 8
    assert record.latest()["loss"].mean == 0.5


def test_all_started_is_the_start_of_the_last_rank() -> None:
    start = {"world": 2, "host": "a", "pid": 1, "python": "3"}
    first, second = Rank(0).say("start", time=1.0, **start), Rank(1).say("start", time=2.0, **start)
    assert record_of(first).all_started() is None
    assert record_of(first, second).all_started() == 2.0


def test_errors_are_ordered_by_time() -> None:
    def error(rank: int, time: float) -> list[Frame]:
        texts = {"type": "ValueError", "module": "", "message": "", "where": "", "source": "", "traceback": ""}
        return Rank(rank).say("error", time=time, **texts)

    assert [report.rank for report in record_of(error(5, 2.0), error(3, 1.0)).errors()] == [3, 5]


def test_frame_with_an_invalid_body_is_ignored() -> None:
    record = record_of(Rank().say("metrics", nonsense=1), Rank(attempt=2).report(1, 1))
    assert record.columns()["step"] == [1]


def test_metric_with_an_invalid_name_is_ignored() -> None:
    names = {name: [0.5] for name in ["", " ", "a\nb", "x" * 10_000, "loss"]}
    record = record_of(Rank().say("metrics", time=[1.0], step=[1], total=None, metrics=names))
    assert list(record.columns()) == ["rank", "time", "step", "loss"]


USAGE = {"time": 5.0, "cpu": 1.5, "cpu_limit": 2, "memory": 1000, "memory_limit": None, "gpus": [["A", 0.5, 1, 2]]}


def test_usage_is_the_newest_of_the_newest_attempt() -> None:
    first, second = Rank(attempt=1), Rank(attempt=2)
    old, late = first.say("usage", **USAGE), first.say("usage", **{**USAGE, "cpu": 1.0})
    assert record_of(old).usage(0) == Usage(5.0, 1.5, 2.0, 1000, None, (Gpu("A", 0.5, 1, 2),))
    for order in ((old, late), (late, old)):
        usage = record_of(*order).usage(0)
        assert usage is not None
        assert usage.cpu == 1.0
    assert record_of(old, second.report(1, 1)).usage(0) is None
    assert record_of(old).usage(7) is None


FORGED: dict[str, dict[str, Any]] = {
    "a negative amount": {"memory": -1},
    "no number": {"cpu": "much"},
    "not a finite number": {"memory": math.inf},
    "a GPU without fields": {"gpus": [[]]},
    "no list of GPUs": {"gpus": 3},
    "no limits": {"cpu_limit": [1]},
}


@pytest.mark.parametrize("fields", FORGED.values(), ids=FORGED)
def test_invalid_usage_is_ignored(fields: dict[str, Any]) -> None:
    assert record_of(Rank().say("usage", **{**USAGE, **fields})).usage(0) is None


@pytest.mark.parametrize("size", [1, 5, 100])
def test_recent_reports_are_a_sample_of_the_window(size: int) -> None:
    rank = Rank()
    groups = [rank.report(first, first + size - 1) for first in range(1, 1_001, size)]
    reports = record_of(*groups).recent(0, 500)
    assert len(reports) == SAMPLES
    assert reports[0][0] == pytest.approx(500, abs=size)
    assert reports[-1] == (1000.0, 1000.0)
    assert max(later - time for (time, _), (later, _) in itertools.pairwise(reports)) <= 15
    assert reports == sorted(reports)


def test_recent_reports_are_those_of_the_newest_attempt() -> None:
    record = record_of(Rank(attempt=1).report(1, 9))
    assert record.recent(0, 100)
    assert record.step_times(0, 100)
    assert record.step(0) == 9
    for frame in Rank(attempt=2).say("start", time=10.0, world=1, host="a", pid=1, python="3"):
        record.add(frame)
    assert record.recent(0, 100) == []
    assert record.step_times(0, 100) == []
    assert record.step(0) is None


def paced(*reports: tuple[float, float | None]) -> list[Frame]:
    return Rank().say("metrics", time=[t for t, _ in reports], step=[s for _, s in reports], total=None, metrics={})


PACES: dict[str, tuple[list[Frame], list[float]]] = {
    "steps of different length": (paced((0.0, 0), (1.0, 2), (3.0, 3)), [0.5, 2.0]),
    "steps that are reported twice or go back": (paced((0.0, 5), (1.0, 5), (2.0, 0), (3.0, 1)), [1.0]),
    "reports without a step": (paced((0.0, 0), (1.0, None), (2.0, 4)), [0.5]),
    "one report": (paced((0.0, 0)), []),
    "reports from before the window": (paced((0.0, 0), (100.0, 1), (102.0, 2)), [2.0]),
}


@pytest.mark.parametrize(("frames", "expected"), PACES.values(), ids=PACES)
def test_step_times_are_measured_between_reports(frames: list[Frame], expected: list[float]) -> None:
    assert record_of(frames).step_times(0, 30) == expected


def test_step_times_are_those_of_the_newest_reports() -> None:
    rank, record = Rank(), Telemetry()
    for second in range(40):
        steps = range(10 * second, 10 * second + 10)
        body: dict[str, Any] = {"time": [step / 10 for step in steps], "step": [*steps], "total": None, "metrics": {}}
        for frame in rank.say("metrics", **body):
            record.add(frame)
        assert record.step_times(0, 30) == [pytest.approx(0.1)] * len(record.step_times(0, 30))
        assert record.step(0) == steps[-1]
    assert len(record.step_times(0, 30)) == SAMPLES - 1


def test_ranks_that_ended_earlier_do_not_count_as_started() -> None:
    start = {"world": 2, "host": "a", "pid": 1, "python": "3"}
    ended, goes_on = Rank(0), Rank(1)
    record = record_of(
        ended.say("start", time=10.0, **start),
        ended.say("end", time=14.0, ok=False),
        goes_on.say("start", time=12.0, **start),
    )
    assert (record.first_started(), record.all_started()) == (10.0, 12.0)
    assert (record.first_started(14.0), record.all_started(14.0)) == (10.0, 12.0)
    assert (record.first_started(15.0), record.all_started(15.0)) == (12.0, None)  # its clock may differ by so much
    assert record.first_started(18.0) is None
