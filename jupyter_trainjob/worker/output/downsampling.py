"""Keep the reports where a metric is lowest or highest, so that fewer rows draw the same curve."""

from __future__ import annotations

from collections.abc import Sequence

from ..report import Row
from .messages import Metrics


def downsample(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return at most `limit` of `rows`, in their order, with the last row and the last of every metric.

    Rows are split into buckets of equal length; each keeps the lowest and the highest value of every metric. NaN counts
    as the highest value, as it must stay visible.
    """
    if len(rows) <= limit:
        return list(rows)
    newest = {name: index for index, row in enumerate(rows) for name in row[3]}
    names = list(newest)
    selected = {len(rows) - 1, *newest.values()}
    stretches = max(1, (limit - len(selected)) // max(1, 2 * len(names)))
    for stretch in range(stretches):
        start, stop = len(rows) * stretch // stretches, len(rows) * (stretch + 1) // stretches
        if not names:
            selected.add(stop - 1)
        for name in names:
            selected.update(_extremes(rows, name, start, stop))
    order = sorted(selected)
    if len(order) > limit:  # More metrics than there is room for in a bucket.
        last = sorted({len(rows) - 1, *newest.values()})[-limit:]
        others = [index for index in order if index not in last]
        room = limit - len(last)
        order = sorted([others[len(others) * slot // room] for slot in range(room)] + last)
    return [rows[index] for index in order]


def to_columns(rows: Sequence[Row], total: float | None) -> Metrics:
    """Return rows as the body of a ``metrics`` or ``history`` message."""
    names = dict.fromkeys(name for row in rows for name in row[3])
    return {
        "time": [round(row[0], 3) for row in rows],
        "step": [row[1] for row in rows],
        "total": total,
        "metrics": {name: [row[3].get(name) for row in rows] for name in names},
    }


def _extremes(rows: Sequence[Row], name: str, start: int, stop: int) -> set[int]:
    low = high = -1
    lowest = highest = 0.0
    for index in range(start, stop):
        value = rows[index][3].get(name)
        if value is None:
            continue
        if value != value:  # noqa: PLR0124 - NaN
            high, highest = index, float("inf")
            continue
        if low < 0 or value < lowest:
            low, lowest = index, value
        if high < 0 or value > highest:
            high, highest = index, value
    return {low, high} - {-1}
