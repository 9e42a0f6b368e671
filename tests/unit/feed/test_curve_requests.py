"""Requests about curves: windows, ranks, other jobs, times, CSV."""

from __future__ import annotations

import csv
import gzip
import io
import math
from array import array
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.feed import curve_requests
from jupyter_trainjob.feed.request_handlers import READS
from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.rendering import csv_export
from tests.unit.metrics.frames import Rank, record_of
from tests.unit.widget.jobs import HOSTILE, FakeJob, running

STEPS = 300


def table(ranks: int = 2, steps: int = STEPS) -> dict[str, list[float]]:
    """Return a loss that is its step plus a hundred times its rank, two steps a second."""
    rows = [(rank, 1e9 + step / 2, step, step + 100 * rank) for rank in range(ranks) for step in range(steps)]
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(("rank", "time", "step", "loss"))}


@pytest.fixture(scope="module")
def job() -> FakeJob:
    other = FakeJob(running(name="digits-m3q8d", uid="uid-2"), table(1, 10))
    job = FakeJob(running(), table())
    job.others = {"uid-2": other, "uid-3": FakeJob(running(name="silent", uid="uid-3"))}
    return job


class Restarted(FakeJob):
    """A job whose only rank restarted at step 5, after it had reached step 8."""

    def series(self) -> Series:
        return Series(record_of(Rank(attempt=1).report(1, 8), Rank(attempt=2).report(5, 9)))


def ask(job: FakeJob, operation: str, **arguments: Any) -> tuple[dict[str, Any], list[list[float]]]:
    content, buffers = READS[operation](job, arguments)
    return content, [list(array("d", buffer)) for buffer in buffers]


def columns(buffer: list[float], points: int) -> list[list[float]]:
    return [buffer[i : i + points] for i in range(0, len(buffer), points)]


def test_window_has_every_step_of_its_range_and_one_on_each_side(job: FakeJob) -> None:
    content, [buffer] = ask(job, "window", name="loss", ranks=None, start=10, end=12, points=1000)
    assert content == {"curves": [{"name": "loss", "ranks": 2, "points": 5, "rank": None}]}
    x, mean, low, high = columns(buffer, 5)
    assert x == [9, 10, 11, 12, 13]
    assert (mean[0], low[0], high[0]) == (59, 9, 109)


def test_window_has_at_most_the_requested_points(job: FakeJob) -> None:
    content, [buffer] = ask(job, "window", name="loss", ranks=None, start=None, end=None, points=50)
    points = content["curves"][0]["points"]
    assert 32 <= points <= 50
    assert columns(buffer, points)[0][-1] == STEPS - 1


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        pytest.param("all", [0, 1], id="all ranks"),
        pytest.param([1], [1], id="one rank"),
        pytest.param([1, 0, 1, 9], [0, 1], id="existing ranks, without duplicates"),
        pytest.param([], [], id="none"),
    ],
)
def test_window_of_single_ranks(job: FakeJob, ranks: Any, expected: list[int]) -> None:
    content, buffers = ask(job, "window", name="loss", ranks=ranks, start=0, end=1, points=100)
    assert [head["rank"] for head in content["curves"]] == expected
    for rank, buffer in zip(expected, buffers, strict=True):
        assert columns(buffer, 3) == [[0, 1, 2], [100 * rank, 100 * rank + 1, 100 * rank + 2]]


@pytest.mark.slow
def test_curves_of_many_ranks_share_the_maximum_of_points() -> None:
    job = FakeJob(running(), table(ranks=20, steps=450))
    content, buffers = ask(job, "window", name="loss", ranks="all", start=None, end=None, points=1000)
    assert len(buffers) == 20
    assert max(head["points"] for head in content["curves"]) <= curve_requests.MAX_POINTS_OF_RANKS // 20


def test_unknown_metric_has_no_points(job: FakeJob) -> None:
    assert ask(job, "window", name="<b>", ranks=None)[0]["curves"][0]["points"] == 0
    assert ask(job, "window", name="<b>", ranks="all")[0]["curves"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"ranks": ["0"]}, id="ranks as text"),
        pytest.param({"ranks": [-1]}, id="negative rank"),
        pytest.param({"ranks": list(range(1000))}, id="too many ranks"),
        pytest.param({"start": "now"}, id="step as text"),
        pytest.param({"end": math.nan}, id="step is NaN"),
    ],
)
def test_invalid_arguments_are_refused(job: FakeJob, arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.UsageError):
        ask(job, "window", name="loss", **arguments)


def test_clock_has_seconds_since_the_first_step(job: FakeJob) -> None:
    content, [buffer] = ask(job, "clock")
    steps, seconds = columns(buffer, content["points"])
    assert (steps[0], seconds[0], steps[-1]) == (0, 0, STEPS - 1)
    assert seconds[-1] == pytest.approx((STEPS - 1) / 2)


def test_clock_has_the_steps_of_restarts() -> None:
    job = Restarted()
    content, [buffer] = ask(job, "clock")
    steps, _ = columns(buffer, content["points"])
    assert (content["restarts"], steps[-1]) == ([5], 9)


def test_job_without_reports_has_no_clock_and_no_curves() -> None:
    job = FakeJob(running(), {})
    assert ask(job, "clock")[0] == {"points": 0, "restarts": []}
    assert ask(job, "window", name="loss", ranks=None)[0]["curves"][0]["points"] == 0


def test_comparable_jobs_have_uids_and_sanitized_names() -> None:
    job = FakeJob(running(), {})
    job.others = {"uid-9": FakeJob(running(name=HOSTILE))}
    [row] = ask(job, "earlier")[0]["jobs"]
    assert (row["uid"], row["state"], row["finished"]) == ("uid-9", "Running", None)
    assert "\x1b" not in row["name"]


def test_other_job_has_curves_and_a_clock(job: FakeJob) -> None:
    content, buffers = ask(job, "pin", uid="uid-2")
    assert (content["name"], content["curves"]) == ("digits-m3q8d", [{"name": "loss", "ranks": 1, "points": 10}])
    assert columns(buffers[0], 10)[0] == list(range(10))
    assert columns(buffers[1], content["clock"])[1][-1] == pytest.approx(4.5)


@pytest.mark.parametrize("uid", ["uid-3", "uid-4", None])
def test_job_without_metrics_or_deleted_cannot_be_compared_with(job: FakeJob, uid: str | None) -> None:
    with pytest.raises(errors.UsageError):
        ask(job, "pin", uid=uid)


def csv_rows(series: Series, names: list[str], max_rows: int = 1000) -> tuple[list[list[str]], int, bool]:
    packed, rows, complete = csv_export.write_csv(series, names, max_rows=max_rows)
    return list(csv.reader(io.StringIO(gzip.decompress(packed).decode()))), rows, complete


def test_csv_has_one_row_per_report(job: FakeJob) -> None:
    content, buffers = READS["csv"](job, {"names": None})
    rows = gzip.decompress(buffers[0]).decode().splitlines()
    assert content == {"rows": 2 * STEPS, "complete": True}
    assert (len(rows), rows[0], rows[2]) == (2 * STEPS + 1, "rank,time,step,loss", "0,1000000000.500,1,1")


def test_long_csv_is_downsampled_by_rank_with_a_note(job: FakeJob) -> None:
    rows, count, complete = csv_rows(job.series(), ["loss"], max_rows=100)
    assert not complete
    assert "One of 6 reports" in rows[0][0]
    assert count == len(rows) - 2 == 100
    assert {row[0] for row in rows[2:]} == {"0", "1"}
    assert [row[2] for row in rows[2:5]] == ["0", "6", "12"]


def test_csv_distinguishes_missing_values_from_nan() -> None:
    reports = Rank().say(
        "metrics", time=[1.0, 2.0], step=[1, None], total=None, metrics={"a": [math.nan, None], "=b": [None, 0.5]}
    )
    rows, _, _ = csv_rows(Series(record_of(reports)), ["a", "=b"])
    assert rows[0][3:] == ["a", "'=b"]
    assert rows[1][2:] == ["1", "nan", ""]
    assert rows[2][2:] == ["", "", "0.5"]


def test_csv_without_reports_has_only_a_header() -> None:
    assert csv_rows(Series(Telemetry()), []) == ([["rank", "time", "step"]], 0, True)
