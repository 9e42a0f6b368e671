from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jupyter_trainjob.metrics.series import Series
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.metrics.frames import Rank, record_of


def says(rank: Rank, steps: list[float | None], values: list[float | None], name: str = "loss") -> list[Frame]:
    return rank.say(
        "metrics", time=[float(i) for i in range(len(steps))], step=steps, total=None, metrics={name: values}
    )


def feed(record: Telemetry, *groups: list[Frame]) -> None:
    for group in groups:
        for frame in group:
            record.add(frame)


def wave(rank: int, step: int) -> float:
    return math.sin(step / 7 + rank) + rank


def test_band_has_mean_and_range_over_ranks_at_each_step() -> None:
    record = record_of(says(Rank(0), [1, 2], [1.0, 4.0]), says(Rank(1), [1, 2, 3], [3.0, 8.0, 5.0]))
    band = Series(record).band("loss")
    assert band.ranks == 2
    assert band.x.tolist() == [1, 2, 3]
    assert band.mean.tolist() == [2, 6, 5]
    assert band.low.tolist() == [1, 4, 5]
    assert band.high.tolist() == [3, 8, 5]


def test_series_read_in_parts_equals_one_read_at_once() -> None:
    grown, rank, other = Telemetry(), Rank(0), Rank(1)
    series = Series(grown)
    groups = []
    for start in range(0, 400, 40):
        for reporter in (rank, other):
            steps = list(range(start, start + 40, reporter.rank + 1))
            groups.append(says(reporter, [*steps], [wave(reporter.rank, step) for step in steps]))
            feed(grown, groups[-1])
            series.band("loss")
    whole, late = series.band("loss"), Series(record_of(*groups)).band("loss")
    for mine, theirs in ((whole.x, late.x), (whole.mean, late.mean), (whole.low, late.low), (whole.high, late.high)):
        np.testing.assert_allclose(mine, theirs)
    assert whole.x.tolist() == list(range(400))


def test_steps_between_earlier_steps_are_inserted() -> None:
    record = record_of(says(Rank(0), [0, 10, 20], [0.0, 1.0, 2.0]))
    series = Series(record)
    series.band("loss")
    feed(record, says(Rank(1), [5, 10, 25], [7.0, 3.0, 9.0]))
    band = series.band("loss")
    assert band.x.tolist() == [0, 5, 10, 20, 25]
    assert band.mean.tolist() == [0, 7, 2, 2, 9]


def test_thinned_curve_keeps_extreme_values_at_their_steps() -> None:
    values = [0.0] * 20_000
    values[7_777], values[12_345] = 9.0, -9.0
    rank = Rank()
    record = record_of(*(says(rank, [*range(i, i + 500)], [*values[i : i + 500]]) for i in range(0, 20_000, 500)))
    series = Series(record)
    for x, y in (
        (series.band("loss", points=100).x, series.band("loss", points=100).mean),
        (series.lines("loss", points=100)[0].x, series.lines("loss", points=100)[0].y),
    ):
        assert len(x) <= 100
        assert dict(zip(x.tolist(), y.tolist(), strict=True))[7_777] == 9.0
        assert dict(zip(x.tolist(), y.tolist(), strict=True))[12_345] == -9.0
        assert x[[0, -1]].tolist() == [0, 19_999]
        assert (np.diff(x) > 0).all()


def test_range_of_a_thinned_band_covers_all_steps() -> None:
    ranks = [Rank(0), Rank(1)]
    spike = [[0.0] * 2_000, [0.0] * 2_000]
    spike[0][1_001], spike[1][1_001] = 50.0, -50.0  # Their mean does not show it.
    record = record_of(*(says(rank, [*range(2_000)], [*values]) for rank, values in zip(ranks, spike, strict=True)))
    band = Series(record).band("loss", points=50)
    assert (band.low.min(), band.high.max()) == (-50, 50)


def test_interval_has_every_step_and_one_more_on_each_side() -> None:
    rank = Rank()
    groups = [says(rank, [*range(i, i + 100)], [float(i) for i in range(i, i + 100)]) for i in range(0, 10_000, 100)]
    series = Series(record_of(*groups))
    expected = list(range(4_999, 5_202))
    assert series.band("loss", start=5_000, end=5_200, points=500).x.tolist() == expected
    assert series.lines("loss", start=5_000, end=5_200, points=500)[0].x.tolist() == expected
    assert series.lines("loss", start=-5, end=0)[0].x.tolist() == [0, 1]
    assert series.band("loss", start=9_999).x.tolist() == [9_998, 9_999]


def test_nan_and_infinity_are_gaps() -> None:
    record = record_of(says(Rank(0), [1, 2, 3], [1.0, math.nan, math.inf]), says(Rank(1), [1, 3], [3.0, 5.0]))
    series = Series(record)
    np.testing.assert_array_equal(series.band("loss").mean, [2, math.nan, 5])
    np.testing.assert_array_equal(series.band("loss").high, [3, math.nan, 5])
    np.testing.assert_array_equal(series.lines("loss")[0].y, [1, math.nan, math.nan])


def test_mean_without_a_finite_value_is_what_was_reported() -> None:
    ranks: list[list[float | None]] = [
        [1.0, math.inf, -math.inf, math.inf, math.nan],
        [2.0, math.inf, -math.inf, -math.inf, math.inf],
    ]
    band = Series(record_of(*(says(Rank(i), [1, 2, 3, 4, 5], values) for i, values in enumerate(ranks)))).band("loss")
    np.testing.assert_array_equal(band.mean, [1.5, math.inf, -math.inf, math.nan, math.nan])
    np.testing.assert_array_equal(band.high, [2.0, *[math.nan] * 4])


def test_infinite_value_is_kept_when_a_band_is_downsampled() -> None:
    values: list[float | None] = [float(step) for step in range(5_000)]
    values[2_500] = math.inf
    band = Series(record_of(says(Rank(0), list(range(5_000)), values))).band("loss", points=100)
    assert band.x[np.isinf(band.mean)].tolist() == [2_500]
    assert np.nanmax(band.high) == 4_999


def test_thinned_curve_keeps_gaps() -> None:
    values: list[float | None] = [1.0] * 5_000
    values[2_500] = math.nan
    series = Series(record_of(says(Rank(0), [*range(5_000)], values)))
    for y in (series.band("loss", points=60).mean, series.lines("loss", points=60)[0].y):
        assert len(y) <= 60
        assert np.isnan(y).sum() == 1


def test_report_without_a_metric_is_no_gap_in_its_curve() -> None:
    record = record_of(says(Rank(0), [1, 2, 3], [1.0, None, 3.0]))
    assert Series(record).lines("loss")[0].x.tolist() == [1, 3]


def test_rows_without_a_step_are_counted() -> None:
    rank = Rank()
    record = record_of(says(rank, [None, None], [5.0, 6.0]), says(rank, [None], [7.0]))
    assert Series(record).band("loss").x.tolist() == [0, 1, 2]
    assert Series(record).lines("loss")[0].x.tolist() == [0, 1, 2]


def test_later_attempt_replaces_rows_in_the_sums() -> None:
    record = record_of(says(Rank(0, attempt=1), [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0]))
    series = Series(record)
    series.band("loss")
    feed(record, says(Rank(0, attempt=2), [3], [30.0]))
    assert series.band("loss").x.tolist() == [1, 2, 3]
    assert series.band("loss").mean.tolist() == [1, 2, 30]
    assert series.lines("loss")[0].y.tolist() == [1, 2, 30]


def test_late_frames_replace_the_checkpoint_used_for_them() -> None:
    rank = Rank()
    early = rank.report(1, 3)
    checkpoint = rank.say("history", time=[1.0, 3.0], step=[1, 3], total=9, metrics={"loss": [1.0, 0.3]})
    record = record_of(checkpoint, rank.report(4, 5))
    series = Series(record)
    assert series.band("loss").x.tolist() == [1, 3, 4, 5]
    assert not series.complete
    feed(record, early)
    assert series.band("loss").x.tolist() == [1, 2, 3, 4, 5]
    assert series.complete


def test_rank_sends_the_number_of_dropped_reports() -> None:
    rank = Rank()
    body: dict[str, Any] = {"time": [1.0], "step": [1], "total": None, "metrics": {"loss": [1.0]}}
    assert Series(record_of(rank.say("metrics", **body))).complete
    assert not Series(record_of(rank.say("metrics", **body, left_out=7))).complete


def test_changed_metrics_since_a_version() -> None:
    rank, record = Rank(), Telemetry()
    series = Series(record)
    assert (series.names(), series.version) == ([], 0)
    feed(record, says(rank, [1], [1.0]), says(rank, [1], [1.0], "accuracy"))
    version = series.version
    assert series.names() == series.changed_since(0) == ["loss", "accuracy"]
    assert series.changed_since(version) == []
    feed(record, says(rank, [2], [1.0], "accuracy"))
    assert series.version > version
    assert series.changed_since(version) == ["accuracy"]


def test_ranks_can_be_chosen() -> None:
    record = record_of(*(says(Rank(rank), [1], [float(rank)]) for rank in range(4)), says(Rank(4), [1], [1.0], "other"))
    series = Series(record)
    assert series.ranks("loss") == [0, 1, 2, 3]
    assert list(series.lines("loss")) == [0, 1, 2, 3]
    assert list(series.lines("loss", ranks=[3, 1, 4, 99])) == [3, 1]


def test_time_of_each_step() -> None:
    rank = Rank()
    record = record_of(rank.say("metrics", time=[100.0, 110.0], step=[0, 10], total=None, metrics={"loss": [1.0, 2.0]}))
    assert Series(record).times(np.array([0.0, 5.0, 10.0])).tolist() == [100, 105, 110]
    assert np.isnan(Series(Telemetry()).times(np.array([1.0]))).all()


def test_rows_have_all_reported_values() -> None:
    record = record_of(says(Rank(0), [1, None], [0.5, None]), says(Rank(1), [1], [0.25], "accuracy"))
    series = Series(record)
    assert list(series.rows()) == [
        (0, 0.0, 1.0, [0.5, None]),
        (0, 1.0, None, [None, None]),
        (1, 0.0, 1.0, [None, 0.25]),
    ]
    assert [values for *_, values in series.rows(["accuracy"])] == [[None], [None], [0.25]]


EMPTY: dict[str, Callable[[Series], int]] = {
    "a band": lambda series: len(series.band("loss").x),
    "lines": lambda series: len(series.lines("loss")),
    "ranks": lambda series: len(series.ranks("loss")),
    "rows": lambda series: len(list(series.rows())),
}


@pytest.mark.parametrize("ask", EMPTY.values(), ids=EMPTY)
def test_no_curves_without_reports(ask: Callable[[Series], int]) -> None:
    assert ask(Series(Telemetry())) == 0


def test_report_with_columns_of_different_lengths_is_ignored() -> None:
    rank = Rank()
    record = record_of(
        rank.say("metrics", time=[1.0], step=[1, 2], total=None, metrics={"loss": [1.0]}),
        rank.say("metrics", time=[1.0], step=[1], total=None, metrics={"loss": [1.0, 2.0]}),
        rank.say("metrics", time=[1.0], step=[3], total=None, metrics={"loss": [1.0]}),
    )
    assert Series(record).band("loss").x.tolist() == [3]


def test_history_can_be_read_while_it_grows() -> None:
    lock, record = threading.RLock(), Telemetry()
    series = Series(record, lock)
    ranks = [Rank(number) for number in range(4)]

    def grow() -> None:
        for start in range(0, 2_000, 10):
            for rank in ranks:
                for frame in says(rank, [*range(start, start + 10)], [1.0] * 10):
                    with lock:
                        record.add(frame)

    thread = threading.Thread(target=grow)
    thread.start()
    sizes = []
    while thread.is_alive():
        sizes.append(len(series.band("loss", points=10_000).x))
        series.lines("loss")
        series.changed_since(0)
    thread.join()
    assert sizes == sorted(sizes)
    band = series.band("loss", points=10_000)
    assert band.x.tolist() == list(range(2_000))
    assert (band.mean == 1).all()


def test_each_row_is_added_once_and_ranks_share_the_table_of_steps() -> None:
    record, ranks = Telemetry(), [Rank(number) for number in range(64)]
    series = Series(record)
    for start in (0, 500):
        feed(record, *(says(rank, [*range(start, start + 500)], [1.0] * 500) for rank in ranks))
        series.band("loss")
    added = series._sums["loss"]
    assert {number: rows for number, (_, rows) in added.read.items()} == dict.fromkeys(range(64), 1_000)
    assert added.sums._table.nbytes <= 5 * 8 * 2_000
