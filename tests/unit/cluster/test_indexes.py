"""Completion indexes as text."""

from __future__ import annotations

import pytest

from jupyter_trainjob.cluster.job import indexes


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        pytest.param(set(), "", id="no index is no text"),
        pytest.param({3}, "3", id="one index is its number"),
        pytest.param({0, 1}, "0,1", id="two neighbours are two numbers"),
        pytest.param({0, 1, 2}, "0-2", id="three neighbours are an interval"),
        pytest.param({0, 2, 3, 4, 9}, "0,2-4,9", id="runs and single indexes follow each other"),
    ],
)
def test_indexes_are_written_as_kubernetes_writes_them(numbers: set[int], text: str) -> None:
    assert indexes.written(numbers) == text
    assert indexes.parse(text, completions=10) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        pytest.param("0-9", {0, 1, 2, 3}, id="indexes beyond the completions do not count"),
        pytest.param("x,1,2-y", {1}, id="what is no number is left out"),
    ],
)
def test_indexes_are_read_with_care(text: str, numbers: set[int]) -> None:
    assert indexes.parse(text, completions=4) == numbers
