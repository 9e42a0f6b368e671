from __future__ import annotations

import math
import random

import pytest

from jupyter_trainjob.widget.curves import Curve, Curves, thin
from tests.unit.widget.jobs import columns

NAN = math.nan


def test_a_curve_is_the_mean_over_ranks_and_their_range() -> None:
    curves = Curves()
    changed = curves.feed(columns((0, 1, 0, 2.0), (0, 2, 8, 1.0), (1, 1, 0, 4.0), (1, 2, 8, 1.0)))
    assert changed == {"loss"}
    assert curves.curve("loss") == Curve(2, x=[0, 8], mean=[3.0, 1.0], low=[2.0, 1.0], high=[4.0, 1.0])


def test_what_is_no_number_has_no_place_on_an_axis() -> None:
    curves = Curves()
    assert curves.feed(columns((0, 1, 0, NAN), (0, 2, 1, math.inf))) == set()
    assert curves.names == []
    assert curves.curve("loss") == Curve()


def test_reports_without_a_step_are_counted() -> None:
    curves = Curves()
    curves.feed(columns((0, 1, NAN, 5.0), (0, 2, NAN, 6.0), (1, 1, NAN, 7.0)))
    assert curves.curve("loss").x == [0, 1]
    assert curves.curve("loss").high == [7.0, 6.0]


def test_rows_are_read_once_however_ranks_grow() -> None:
    curves = Curves()
    first = columns((0, 1, 0, 1.0), (1, 1, 0, 3.0))
    more = columns((0, 1, 0, 1.0), (0, 2, 1, 2.0), (1, 1, 0, 3.0), (1, 2, 1, 4.0), (2, 9, 1, 6.0))
    assert curves.feed(first) == {"loss"}
    assert curves.feed(first) == set()
    assert curves.feed(more) == {"loss"}
    whole = Curves()
    whole.feed(more)
    assert curves.curve("loss") == whole.curve("loss") == Curve(3, [0, 1], [2.0, 4.0], [1.0, 2.0], [3.0, 6.0])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(columns((0, 5, 0, 9.0), (0, 6, 1, 9.0)), id="an attempt was begun anew"),
        pytest.param(columns((0, 1, 0, 9.0)), id="rows are gone"),
        pytest.param(columns((1, 1, 0, 9.0)), id="a rank is gone"),
    ],
)
def test_all_is_read_anew_when_earlier_rows_are_others(changed: dict[str, list[float]]) -> None:
    curves = Curves()
    curves.feed(columns((0, 1, 0, 1.0), (0, 2, 1, 1.0)))
    curves.feed(changed)
    assert set(curves.curve("loss").mean) == {9.0}


def test_a_metric_that_came_later_keeps_its_early_gap() -> None:
    curves = Curves()
    table = columns((0, 1, 0, 1.0), (0, 2, 1, 1.0))
    curves.feed(table)
    grown = {**columns((0, 1, 0, 1.0), (0, 2, 1, 1.0), (0, 3, 2, 1.0)), "accuracy": [NAN, NAN, 0.5]}
    assert curves.feed(grown) == {"loss", "accuracy"}
    assert curves.curve("accuracy").x == [2]


def test_a_spike_stays_however_many_steps_there_are() -> None:
    values = [random.Random(step).random() for step in range(50_000)]
    values[31_415], values[27_182] = 99.0, -99.0
    x = [float(step) for step in range(50_000)]
    thinned = thin(Curve(1, x, values, values, values), 1000)
    assert len(thinned.x) <= 1000
    assert (thinned.x[0], thinned.x[-1]) == (0, 49_999)
    assert thinned.x == sorted(set(thinned.x))
    points = dict(zip(thinned.x, thinned.mean, strict=True))
    assert (points[31_415], points[27_182]) == (99.0, -99.0)
    assert (max(thinned.high), min(thinned.low)) == (99.0, -99.0)


def test_a_short_curve_is_left_alone() -> None:
    curve = Curve(1, [0.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0])
    assert thin(curve, 1000) is curve
