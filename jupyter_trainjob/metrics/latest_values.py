"""The current value of each metric of a job, the same in every view. Pure.

The value of a metric is the mean of the last values of all ranks that have reported it; its range is the minimum and
maximum of these values. In detail:

- Ranks that never reported the metric do not count; where only rank 0 reports it, its value is the value.
- Ranks may be at different steps: of each rank the last report counts, whatever its step.
- NaN and infinities do not count as long as any rank has a number; `LatestValue.broken` names the ranks that have none.
  If no rank has a number, the value is that of the lowest rank (nan, inf or -inf), and so is the range.
- After a restart a rank's earlier attempt counts until its new attempt reports the metric, and then no more.

The curves draw the same mean step by step (`series.Series.band`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob.metrics.batches import BatchSlice, Column, RankAttempts


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The value of one metric, in the metric's unit."""

    mean: float
    low: float
    high: float
    ranks: int
    """Number of ranks that have reported it."""
    broken: tuple[int, ...] = ()
    """Ranks whose last value is NaN or infinite."""
    since: float | None = None
    """Lowest step from which on one of these ranks reported no finite value; None if they report no steps."""
    always: bool = False
    """Whether none of the `broken` ranks has ever reported a finite value."""
    nan: bool = False
    """Whether one of them reported NaN; else they reported infinities."""


@dataclass(frozen=True, slots=True)
class _LastValue:
    """The last value of one metric of one rank."""

    value: float
    since: float | None = None
    always: bool = False


def latest_values(ranks: Mapping[int, RankAttempts], names: Iterable[str]) -> dict[str, LatestValue]:
    """Return the value of each of `names` that any of the `ranks` has reported, in the order of `names`."""
    values = {}
    for name in names:
        last = {rank: value for rank in sorted(ranks) if (value := _last_value(ranks[rank].slices, name)) is not None}
        if last:
            values[name] = _combine_ranks(last)
    return values


def _combine_ranks(last: Mapping[int, _LastValue]) -> LatestValue:
    broken = {rank: last_value for rank, last_value in last.items() if not math.isfinite(last_value.value)}
    values = [last_value.value for rank, last_value in last.items() if rank not in broken]
    steps = [last_value.since for last_value in broken.values() if last_value.since is not None]
    if values:
        # The mean is between them in spite of rounding errors.
        low, high = min(values), max(values)
        mean = min(high, max(low, math.fsum(value / len(values) for value in values)))
    else:
        mean = low = high = next(iter(broken.values())).value
    return LatestValue(
        mean,
        low,
        high,
        ranks=len(last),
        broken=tuple(broken),
        since=min(steps, default=None),
        always=bool(broken) and all(last_value.always for last_value in broken.values()),
        nan=any(math.isnan(last_value.value) for last_value in broken.values()),
    )


def _last_value(slices: Sequence[BatchSlice], name: str) -> _LastValue | None:
    """Return the last value of one rank; if it is not finite, also since which step."""
    value: float | None = None
    since: float | None = None
    for batch_slice in reversed(slices):
        column = batch_slice.batch.metrics.get(name)
        if column is None or not column.values:
            continue
        rows = _rows(batch_slice, column)
        if not rows:
            continue
        if value is None:
            value = column.values[rows[-1]]
            if math.isfinite(value):
                return _LastValue(value)
        run = _broken_from(column, rows)
        if run < len(rows):
            step = batch_slice.batch.step[rows[run] if column.rows is None else column.rows[rows[run]]]
            since = since if math.isnan(step) else step
        if run > 0:
            return _LastValue(value, since)
    return None if value is None else _LastValue(value, since, always=True)


def _rows(batch_slice: BatchSlice, column: Column) -> Sequence[int]:
    """Return the indices in `column` of valid rows."""
    if batch_slice.limit == math.inf:
        return range(len(column.values))
    live_rows = set(batch_slice.rows())
    rows = range(len(column.values)) if column.rows is None else column.rows
    return [index for index, row in enumerate(rows) if row in live_rows]


def _broken_from(column: Column, rows: Sequence[int]) -> int:
    """Return the first index in `rows` from which on no value is finite; their number if the last one is."""
    if isinstance(rows, range):
        return column.broken_from()
    first = len(rows)
    while first > 0 and not math.isfinite(column.values[rows[first - 1]]):
        first -= 1
    return first
