"""Aggregate the values of many ranks by step, and downsample curves to a number of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
INITIAL_STEPS = 64
"""Initial capacity in steps."""
ROWS = 6
"""Rows of the table of sums."""


@dataclass(frozen=True, slots=True)
class Band:
    """One metric over steps, aggregated over ranks. The columns have one length, steps ascend.

    A step without a finite value of any rank is a gap: its mean is nan or infinite, its range nan.
    """

    ranks: int
    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one rank over steps. Steps ascend; nan is a gap."""

    x: Array
    y: Array


class StepSums:
    """Count, sum, minimum and maximum of the finite values of each step, and the sum of the others."""

    def __init__(self) -> None:
        self._size = 0
        # One row each for the step, the count, the sum, the lowest, the highest, and the sum of what is not finite.
        self._table: Array = np.empty((ROWS, INITIAL_STEPS))

    def add(self, x: Array, y: Array) -> None:
        """Add values of one rank, at steps in any order."""
        if not len(x):
            return
        ascending = bool((np.diff(x) > 0).all())
        first = int(np.searchsorted(self._table[0, : self._size], x[0]))
        at: Any = slice(first, first + len(x))
        if not ascending or not np.array_equal(self._table[0, : self._size][at], x):
            at = self._indices_of(x if ascending else np.unique(x), x)
        columns = self._table[:, : self._size]
        finite = np.isfinite(y)
        if not finite.all():
            at = np.arange(self._size)[at]
            with np.errstate(invalid="ignore"):  # Infinities of both signs are nan together.
                np.add.at(columns[5], at[~finite], y[~finite])
            at, y = at[finite], y[finite]
        if ascending:
            columns[1, at] += 1
            columns[2, at] += y
            columns[3, at] = np.minimum(columns[3, at], y)
            columns[4, at] = np.maximum(columns[4, at], y)
        else:  # Slower, but correct for repeated steps.
            np.add.at(columns[1], at, 1)
            np.add.at(columns[2], at, y)
            np.minimum.at(columns[3], at, y)
            np.maximum.at(columns[4], at, y)

    def between(self, start: float | None, end: float | None, ranks: int) -> Band:
        """Return the band from `start` to `end`, with one more step on each side if there is one."""
        size = self._size
        left, right = slice_between(self._table[0, :size], start, end)
        x, count, total, low, high, broken = self._table[:, left:right]
        mean = np.divide(total, count, out=broken.copy(), where=count > 0)
        empty = count == 0
        if empty.any():
            low, high = np.where(empty, np.nan, low), np.where(empty, np.nan, high)
        return Band(ranks, x.copy(), mean, low.copy(), high.copy())

    def _indices_of(self, steps: Array, x: Array) -> Any:
        """Return the table index of each of `x`; insert those of the ascending `steps` that are new."""
        existing = self._table[0, : self._size]
        index: Any = np.searchsorted(existing, steps)
        new = index == self._size
        new[~new] = existing[index[~new]] != steps[~new]
        if new.any():
            self._insert(index[new], steps[new])
        return np.searchsorted(self._table[0, : self._size], x)

    def _insert(self, at: Any, x: Array) -> None:
        size = self._size + len(x)
        fresh = np.empty((ROWS, len(x)))
        fresh[0], fresh[1], fresh[2], fresh[3], fresh[4], fresh[5] = x, 0, 0, np.inf, -np.inf, 0
        at_end = at[0] == self._size
        if not at_end or size > self._table.shape[1]:
            table: Array = np.empty((ROWS, max(self._table.shape[1], size + size // 2)))
            old = self._table[:, : self._size]
            table[:, :size] = np.concatenate((old, fresh), axis=1) if at_end else np.insert(old, at, fresh, axis=1)
            self._table = table
        else:
            self._table[:, self._size : size] = fresh
        self._size = size


def slice_between(x: Array, start: float | None, end: float | None) -> tuple[int, int]:
    """Return the slice of the ascending `x` between `start` and `end`, with one more element on each side."""
    left = 0 if start is None else max(0, int(np.searchsorted(x, start)) - 1)
    right = len(x) if end is None else min(len(x), int(np.searchsorted(x, end, side="right")) + 1)
    return left, right


def sort_by_x(x: Array, y: Array) -> tuple[Array, Array]:
    """Return points with ascending x; of several points with the same x the last one is kept."""
    steps = np.diff(x)
    if (steps > 0).all():
        return x, y
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    last: Any = np.append(np.diff(x) > 0, True)
    return x[last], y[last]


def downsample_line(line: Line, points: int) -> Line:
    """Return `line` with at most `points` points (at least four): minimum and maximum of each bucket."""
    keep = extreme_indices(line.y, points)
    return line if keep is None else Line(line.x[keep], line.y[keep])


def downsample_band(band: Band, points: int) -> Band:
    """Return `band` with at most `points` points (at least four).

    Each bucket keeps the points with its lowest and highest mean; the range of each kept point covers all points since
    the previous one.
    """
    keep = extreme_indices(band.mean, points)
    if keep is None:
        return band
    starts = np.concatenate(([0], keep[:-1] + 1))
    low, high = np.fmin.reduceat(band.low, starts), np.fmax.reduceat(band.high, starts)
    gap = ~np.isfinite(band.mean[keep])
    low[gap] = high[gap] = np.nan
    return Band(band.ranks, band.x[keep], band.mean[keep], low, high)


def extreme_indices(y: Array, points: int) -> Any:
    """Return the indices of `y` to keep: ends, minimum and maximum of each bucket, and a gap if any; None for all."""
    size = len(y)
    if size <= max(4, points):
        return None
    gaps = ~np.isfinite(y)
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
    indices = [[0, size - 1], lowest, highest]
    if some:
        hole = shaped(gaps[1:-1].astype(float), 0.0)
        indices.append((first + hole.argmax(axis=1))[hole.any(axis=1)])
    keep = np.unique(np.concatenate(indices))
    return keep[keep < size]
