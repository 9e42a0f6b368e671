"""Completion indexes in text format, and success policies over them."""

from __future__ import annotations

import pytest

from jupyter_trainjob.cluster.job import completion_indexes, job_success_policy


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
def test_indexes_are_formatted_like_kubernetes(numbers: set[int], text: str) -> None:
    assert completion_indexes.format_indexes(numbers) == text
    assert completion_indexes.parse_indexes(text, completions=10) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        pytest.param("0-9", {0, 1, 2, 3}, id="indexes beyond the completions do not count"),
        pytest.param("x,1,2-y", {1}, id="parts that are not numbers are skipped"),
    ],
)
def test_malformed_and_excess_indexes_are_skipped(text: str, numbers: set[int]) -> None:
    assert completion_indexes.parse_indexes(text, completions=4) == numbers


SUCCESS = {
    "all of very many": ("0-2147483646", None, {0, 1}, False),
    "some of very many": ("0-2147483646", 2, {0, 1}, True),
    "all of a few": ("0,3-4", None, {0, 3, 4}, True),
    "no existing index": ("9", None, {0}, False),
}


@pytest.mark.parametrize(("succeeded_indexes", "count", "completed", "matches"), SUCCESS.values(), ids=SUCCESS)
def test_success_policy_with_huge_index_ranges(
    succeeded_indexes: str, count: int | None, completed: set[int], matches: bool
) -> None:
    rule = {"succeededIndexes": succeeded_indexes} | ({} if count is None else {"succeededCount": count})
    completions = 5 if succeeded_indexes != "0-2147483646" else 2**31 - 1
    job = {"spec": {"completions": completions, "successPolicy": {"rules": [rule]}}}
    assert (job_success_policy.match_success_policy(job, completed) is not None) == matches


def test_parsed_indexes_are_limited() -> None:
    assert (
        len(completion_indexes.parse_indexes("0-2147483646", completions=2**31 - 1)) == completion_indexes.MAX_INDEXES
    )
