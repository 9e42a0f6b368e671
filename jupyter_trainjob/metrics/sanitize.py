"""Sanitize values of messages: finite times, bounded steps, valid UTF-8.

Applied to the JSON of frames before `Telemetry` uses it. A program can print a line that looks like a frame, and a rank
can report any number: no value may reach arithmetic, a table or JSON that cannot represent it.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any

from jupyter_trainjob.worker.output.messages import COUNT_LIMIT

LATEST = 253_402_300_799.0
"""The end of the year 9999 in unix seconds, the latest time that `datetime` can represent."""
RANKS_LIMIT = 10**7
"""Maximum of ranks of a job: a frame has seven digits for a rank."""
TEXT_LIMIT = 2**20


def moment(value: Any) -> float:
    """Return a time in unix seconds. Raises ValueError for one that `datetime` cannot represent."""
    seconds = float(value)
    if not 0 <= seconds <= LATEST:
        raise ValueError(f"{seconds!r} is no time")
    return seconds


def duration(value: Any) -> float:
    """Return a number of seconds. Raises ValueError for a negative or excessive one."""
    return moment(value)


def number(value: Any) -> float:
    """Return a metric's value; an integer beyond the largest float becomes an infinity.

    >>> number(-10**400)
    -inf
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def step(value: Any) -> float:
    """Return a step; nan for None and for one that is out of bounds.

    >>> step(3), step(None), step(2**60)
    (3.0, nan, nan)
    """
    step_number = math.nan if value is None else number(value)
    return step_number if abs(step_number) <= COUNT_LIMIT else math.nan


def count(value: Any) -> int | None:
    """Return an integer of at least 0; None for None and for one that is out of bounds."""
    step_number = step(value)
    return int(step_number) if step_number >= 0 else None


def total(value: Any) -> int | None:
    """Return a total number of steps; None for None and for one that is out of bounds."""
    return count(value) or None


def world(value: Any) -> int:
    """Return a number of ranks. Raises ValueError for an impossible one."""
    ranks = int(value)
    if not 1 <= ranks <= RANKS_LIMIT:
        raise ValueError(f"a job cannot have {ranks} ranks")
    return ranks


def moments(values: Sequence[Any]) -> array[float]:
    """Return times as a column. Raises ValueError as `moment` does."""
    times = array("d", values)
    if times and not (min(times) >= 0 and max(times) <= LATEST and not math.isnan(sum(times))):
        raise ValueError("a time is none")
    return times


def steps(values: Sequence[Any]) -> array[float]:
    """Return steps as a column, as `step` returns each."""
    column = numbers([math.nan if value is None else value for value in values])
    if all(-COUNT_LIMIT <= value <= COUNT_LIMIT for value in column):
        return column
    return array("d", map(step, column))


def numbers(values: Sequence[Any]) -> array[float]:
    """Return the values of a metric as a column, as `number` returns each."""
    try:
        return array("d", values)
    except OverflowError:
        return array("d", map(number, values))


def text(value: Any) -> str:
    """Return a text of bounded length that UTF-8 can encode."""
    return str(value)[:TEXT_LIMIT].encode("utf-8", "replace").decode()
