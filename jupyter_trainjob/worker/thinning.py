"""Fewer rows with the same look: of many reports, those where a metric is at its lowest or highest."""

from __future__ import annotations

from collections.abc import Sequence

from .messages import Metrics
from .report import Row


def thin(rows: Sequence[Row], limit: int) -> list[Row]:
    """Return at most `limit` of `rows`, in their order, the last one among them.

    Rows are cut into stretches of equal length; each keeps the lowest and the highest value of every metric, where a
    value that is no number counts as the highest: it is what somebody looks for.
    """
    if len(rows) <= limit:
        return list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row[3]))
    stretches = max(1, (limit - 1) // max(1, 2 * len(names)))
    kept = {len(rows) - 1}
    for stretch in range(stretches):
        start, stop = len(rows) * stretch // stretches, len(rows) * (stretch + 1) // stretches
        if not names:
            kept.add(stop - 1)
        for name in names:
            kept.update(_extremes(rows, name, start, stop))
    order = sorted(kept)
    if len(order) > limit:  # More metrics than a stretch has room for.
        order = [order[len(order) * place // limit] for place in range(limit - 1)] + [order[-1]]
    return [rows[index] for index in order]


def columns(rows: Sequence[Row], total: float | None) -> Metrics:
    """Return rows as the columns of a message."""
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
