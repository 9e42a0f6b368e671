"""Many ranks' numbers added up by step, and curves of them with as many points as there is room for.

Comes between `series`, which knows the ranks, and NumPy. Nothing here knows of a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
SMALLEST = 64
"""Steps that there is room for at first."""


@dataclass(frozen=True, slots=True)
class Band:
    """One metric over steps, of all ranks together. The columns are equally long, steps rise; nan is a gap."""

    ranks: int
    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one rank over steps. Steps rise; nan is a gap."""

    x: Array
    y: Array


class Sums:
    """Count, sum, lowest and highest number of each step."""

    def __init__(self) -> None:
        self._size = 0
        # One row each for the step, the count, the sum, the lowest and the highest.
        self._table: Array = np.empty((5, SMALLEST))

    def add(self, x: Array, y: Array) -> None:
        """Take numbers of one rank, at any steps in any order; a value that is no number only makes its step known."""
        if not len(x):
            return
        ascending = bool((np.diff(x) > 0).all())
        first = int(np.searchsorted(self._table[0, : self._size], x[0]))
        at: Any = slice(first, first + len(x))
        if not ascending or not np.array_equal(self._table[0, : self._size][at], x):
            at = self._places(x if ascending else np.unique(x), x)
        columns = self._table[:, : self._size]
        finite = np.isfinite(y)
        if not finite.all():
            at, y = np.arange(self._size)[at][finite], y[finite]
        if ascending:
            columns[1, at] += 1
            columns[2, at] += y
            columns[3, at] = np.minimum(columns[3, at], y)
            columns[4, at] = np.maximum(columns[4, at], y)
        else:  # Some step may come twice: slower.
            np.add.at(columns[1], at, 1)
            np.add.at(columns[2], at, y)
            np.minimum.at(columns[3], at, y)
            np.maximum.at(columns[4], at, y)

    def between(self, start: float | None, end: float | None, ranks: int) -> Band:
        """Return the band from `start` to `end`, with one step more on each side where there is one."""
        size = self._size
        left, right = stretch(self._table[0, :size], start, end)
        x, count, total, low, high = self._table[:, left:right]
        mean = np.divide(total, count, out=np.full(len(x), np.nan), where=count > 0)
        empty = count == 0
        if empty.any():
            low, high = np.where(empty, np.nan, low), np.where(empty, np.nan, high)
        return Band(ranks, x.copy(), mean, low.copy(), high.copy())

    def _places(self, steps: Array, x: Array) -> Any:
        """Return where each of `x` stands; those of their rising `steps` that are new are put in."""
        known = self._table[0, : self._size]
        place: Any = np.searchsorted(known, steps)
        new = place == self._size
        new[~new] = known[place[~new]] != steps[~new]
        if new.any():
            self._insert(place[new], steps[new])
        return np.searchsorted(self._table[0, : self._size], x)

    def _insert(self, at: Any, x: Array) -> None:
        size = self._size + len(x)
        fresh = np.empty((5, len(x)))
        fresh[0], fresh[1], fresh[2], fresh[3], fresh[4] = x, 0, 0, np.inf, -np.inf
        at_end = at[0] == self._size
        if not at_end or size > self._table.shape[1]:
            table: Array = np.empty((5, max(self._table.shape[1], size + size // 2)))
            old = self._table[:, : self._size]
            table[:, :size] = np.concatenate((old, fresh), axis=1) if at_end else np.insert(old, at, fresh, axis=1)
            self._table = table
        else:
            self._table[:, self._size : size] = fresh
        self._size = size


def stretch(x: Array, start: float | None, end: float | None) -> tuple[int, int]:
    """Return which of the rising `x` lie between `start` and `end`, and one more on each side, as a slice."""
    left = 0 if start is None else max(0, int(np.searchsorted(x, start)) - 1)
    right = len(x) if end is None else min(len(x), int(np.searchsorted(x, end, side="right")) + 1)
    return left, right


def rising(x: Array, y: Array) -> tuple[Array, Array]:
    """Return points with rising x; of several with the same x the last one counts."""
    steps = np.diff(x)
    if (steps > 0).all():
        return x, y
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    last: Any = np.append(np.diff(x) > 0, True)
    return x[last], y[last]


def thin_line(line: Line, points: int) -> Line:
    """Return `line` with at most `points` points (four at least): the lowest and the highest of each stretch."""
    keep = extremes(line.y, points)
    return line if keep is None else Line(line.x[keep], line.y[keep])


def thin_band(band: Band, points: int) -> Band:
    """Return `band` with at most `points` points (four at least).

    Each stretch keeps its lowest and its highest mean where they were; the range of each point kept is that of all
    points since the one before.
    """
    keep = extremes(band.mean, points)
    if keep is None:
        return band
    starts = np.concatenate(([0], keep[:-1] + 1))
    low, high = np.fmin.reduceat(band.low, starts), np.fmax.reduceat(band.high, starts)
    gap = np.isnan(band.mean[keep])
    low[gap] = high[gap] = np.nan
    return Band(band.ranks, band.x[keep], band.mean[keep], low, high)


def extremes(y: Array, points: int) -> Any:
    """Return which of `y` to keep: ends, lowest and highest of each stretch, a gap where one is; None: all."""
    size = len(y)
    if size <= max(4, points):
        return None
    gaps = np.isnan(y)
    some = bool(gaps.any())
    buckets = max(1, (points - 2) // (3 if some else 2))
    width = -(-(size - 2) // buckets)
    padding = width * buckets - (size - 2)
    inner = y[1:-1]

    def shaped(values: Array, filler: float) -> Array:
        filled: Array = np.concatenate((values, np.full(padding, filler))).reshape(buckets, width)
        return filled

    first: Any = np.arange(buckets) * width + 1
    lowest = first + shaped(np.where(gaps[1:-1], np.inf, inner) if some else inner, np.inf).argmin(axis=1)
    highest = first + shaped(np.where(gaps[1:-1], -np.inf, inner) if some else inner, -np.inf).argmax(axis=1)
    kept = [[0, size - 1], lowest, highest]
    if some:
        hole = shaped(gaps[1:-1].astype(float), 0.0)
        kept.append((first + hole.argmax(axis=1))[hole.any(axis=1)])
    keep = np.unique(np.concatenate(kept))
    return keep[keep < size]
