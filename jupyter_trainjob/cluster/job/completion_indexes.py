"""Sets of completion indexes in the text format of a Job's status: ``0-3,5``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

from jupyter_trainjob.api.kinds.pods import completion_index
from jupyter_trainjob.api.resources import KubeObject


def index_of(job: KubeObject, pod: KubeObject) -> int | None:
    """Return the index of a pod; None if it has none, or one beyond the completions of its Job."""
    index = completion_index(pod)
    return None if index is None or index >= job["spec"]["completions"] else index


MAX_INDEXES: Final = 1_000_000
"""The most indexes that are read from a status, which any client may have written."""


def parse_indexes(text: str, *, completions: int) -> set[int]:
    """Return the indexes below `completions` in a text, at most `MAX_INDEXES`; malformed parts are skipped.

    >>> sorted(parse_indexes("0-2,5,x", completions=10))
    [0, 1, 2, 5]
    """
    return set(islice(chain.from_iterable(parse_intervals(text, completions=completions)), MAX_INDEXES))


def parse_intervals(text: str, *, completions: int) -> Iterator[range]:
    """Yield the runs of indexes below `completions` in a text; malformed parts are skipped."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield range(int(first), min(int(last or first), completions - 1) + 1)


def format_indexes(indexes: Iterable[int]) -> str:
    """Return indexes as text, runs of three or more as intervals.

    >>> format_indexes([0, 1, 3, 4, 5])
    '0,1,3-5'
    """
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(_format_run(first, last) for first, last in runs)


def _format_run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}{',' if last == first + 1 else '-'}{last}"
