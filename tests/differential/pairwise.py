"""Combinations of settings that cover all pairs of their values."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

Dimensions = Mapping[str, tuple[Any, ...]]
Case = dict[str, Any]
"""One value of each dimension."""


def generate_cases(dimensions: Dimensions, number: int) -> list[Case]:
    """Return combinations that cover all pairs of values; random ones follow, up to `number`."""
    chance = random.Random(2023)
    open_pairs = all_pairs(dimensions)
    cases: list[Case] = []
    while open_pairs or len(cases) < number:
        candidates = [{name: chance.choice(values) for name, values in dimensions.items()} for _ in range(30)]
        case = max(candidates, key=lambda candidate: len(open_pairs & pairs_of(candidate)))
        open_pairs -= pairs_of(case)
        cases.append(case)
    return cases


def all_pairs(dimensions: Dimensions) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Return all pairs of values of two dimensions."""
    return {
        ((left, a), (right, b))
        for left, right in itertools.combinations(dimensions, 2)
        for a in dimensions[left]
        for b in dimensions[right]
    }


def pairs_of(case: Case) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    """Return the pairs of values that a case covers."""
    return set(itertools.combinations(case.items(), 2))
