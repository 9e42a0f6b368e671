from __future__ import annotations

import pytest

from jupyter_trainjob.client.state.stragglers import find_stragglers

CASES: dict[str, tuple[dict[int, float], set[int]]] = {
    "ranks alike": ({0: 0.04, 1: 0.04, 2: 0.04}, set()),
    "one of eight clearly slower": ({**dict.fromkeys(range(7), 0.039), 7: 0.061}, {7}),
    "one of eight a little slower": ({**dict.fromkeys(range(7), 0.04), 7: 0.048}, set()),
    "ranks that differ anyway": ({rank: 0.03 + 0.01 * rank for rank in range(5)}, set()),
    "of two ranks the slower one": ({0: 0.04, 1: 0.08}, {1}),
    "a rank alone": ({0: 0.04}, set()),
    "no rank": ({}, set()),
    "steps so short that clocks are too coarse": ({0: 0.001, 1: 0.001, 2: 0.002}, set()),
    "steps that take no time at all": ({0: 0.0, 1: 0.0, 2: 0.0}, set()),
}


@pytest.mark.parametrize(("times", "expected"), CASES.values(), ids=CASES)
def test_slow_ranks(times: dict[int, float], expected: set[int]) -> None:
    assert find_stragglers(times) == expected
