from __future__ import annotations

import pytest

from tests.suites.verdict import MOST_RERUN, Verdict, judge, select_reruns

A, B = "tests/a.py::test_a", "tests/a.py::test_b"


@pytest.mark.parametrize(
    ("reruns", "verdict"),
    [
        pytest.param({A: [True, True]}, Verdict(flaky=[A]), id="passes twice by itself"),
        pytest.param({A: [True, False]}, Verdict(failed=[A]), id="passes once by itself"),
        pytest.param({A: [False, False]}, Verdict(failed=[A]), id="fails by itself"),
        pytest.param({}, Verdict(failed=[A]), id="is not run again"),
    ],
)
def test_failed_test(reruns: dict[str, list[bool]], verdict: Verdict) -> None:
    assert judge([A], reruns=reruns) == verdict


def test_quarantined_test_does_not_decide() -> None:
    assert judge([A, B], reruns={}, quarantined=[A]) == Verdict(failed=[B], quarantined=[A])


def test_only_failures_by_chance_run_again() -> None:
    many = [f"tests/a.py::test_{number}" for number in range(MOST_RERUN + 1)]
    assert select_reruns([A, B], reruns=True, quarantined=[B]) == [A]
    assert select_reruns([A], reruns=False, quarantined=[]) == []
    assert select_reruns(many, reruns=True, quarantined=[]) == []
    assert select_reruns(many, reruns=True, quarantined=many[:1]) == many[1:]
