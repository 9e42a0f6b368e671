from __future__ import annotations

import pytest

from jupyter_trainjob.client.pace import slow, step_times

EVEN = [0.04] * 10
CASES: dict[str, tuple[dict[int, list[float]], set[int]]] = {
    "ranks alike": ({0: EVEN, 1: EVEN, 2: EVEN}, set()),
    "one of eight clearly slower": ({**dict.fromkeys(range(7), EVEN), 7: [0.061] * 10}, {7}),
    "one of eight a little slower": ({**dict.fromkeys(range(7), EVEN), 7: [0.048] * 10}, set()),
    "one that is slow for a moment": ({0: EVEN, 1: EVEN, 2: [*EVEN, 9.0, 9.0]}, set()),
    "ranks that differ anyway": ({rank: [0.03 + 0.01 * rank] * 10 for rank in range(5)}, set()),
    "of two ranks the slower one": ({0: EVEN, 1: [0.08] * 10}, {1}),
    "a rank alone": ({0: EVEN}, set()),
    "a rank of which little is known": ({0: EVEN, 1: [0.5] * 4}, set()),
    "ranks that report nothing": ({0: [], 1: []}, set()),
    "steps so short that clocks are too coarse": ({0: [0.001] * 9, 1: [0.001] * 9, 2: [0.002] * 9}, set()),
    "steps that take no time at all": ({0: [0.0] * 9, 1: [0.0] * 9, 2: [0.0] * 9}, set()),
}


@pytest.mark.parametrize(("times", "expected"), CASES.values(), ids=CASES)
def test_slow_ranks(times: dict[int, list[float]], expected: set[int]) -> None:
    assert slow(times) == expected


def test_the_time_of_a_step_is_taken_between_reports() -> None:
    assert step_times([(0.0, 0), (1.0, 2), (3.0, 3)]) == [0.5, 2.0]


def test_reports_of_the_same_step_and_steps_that_go_back_are_left_out() -> None:
    assert step_times([(0.0, 5), (1.0, 5), (2.0, 0), (3.0, 1)]) == [1.0]
