"""Every reported number of a job by metric and rank, as curves or bands.

`Series` reads a growing `Telemetry`, each row once, and returns at most a given number of points, of the whole run or
of a range of steps, so that zooming in shows every step. Of more points each bucket keeps minimum and maximum, so that
spikes stay visible.

Rows are read in place; only the sums of each step are added to them, for any number of ranks. A value that is not
finite is a gap. The x of a row is its step; of a row without one, the number of earlier values of that metric and rank.

NumPy is imported with this module: import it only to draw curves.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from jupyter_trainjob.metrics.bands import (
    Array,
    Band,
    Line,
    StepSums,
    downsample_band,
    downsample_line,
    slice_between,
    sort_by_x,
)
from jupyter_trainjob.metrics.batches import EMPTY_COLUMN, Batch, BatchSlice, Column
from jupyter_trainjob.metrics.telemetry import Telemetry

__all__ = ["Band", "Line", "Row", "Series"]

POINTS = 1_000
_NO_ROWS: Any = np.empty(0, dtype=np.int64)
Row: TypeAlias = "tuple[int, float, float | None, list[float | None]]"
"""Rank, time (unix seconds), step, and the value of each requested metric; None where it was not reported."""


class Series:
    """All metrics of a job. Thread-safe."""

    def __init__(self, telemetry: Telemetry, lock: AbstractContextManager[Any] | None = None) -> None:
        """Read from `telemetry`, under `lock`, which is held while it changes."""
        self._telemetry = telemetry
        self._telemetry_lock = lock or nullcontext()
        self._lock = threading.Lock()
        self._sums: dict[str, _MetricSums] = {}

    @property
    def version(self) -> int:
        """Return a number that increases with each change."""
        return self._telemetry.version

    def names(self) -> list[str]:
        """Return the metrics, in the order of their first report."""
        with self._telemetry_lock:
            return list(self._telemetry.names)

    def changed_since(self, version: int) -> list[str]:
        """Return the metrics that have changed since `version`."""
        with self._telemetry_lock:
            return [name for name, changed in self._telemetry.names.items() if changed > version]

    def ranks(self, name: str) -> list[int]:
        """Return the ranks that have reported a metric."""
        with self._telemetry_lock:
            ranks = self._telemetry.ranks
            return sorted(r for r in ranks if any(name in piece.batch.metrics for piece in ranks[r].slices))

    def band(self, name: str, *, start: float | None = None, end: float | None = None, points: int = POINTS) -> Band:
        """Return mean and range of all ranks over the steps from `start` to `end`, with at most `points` points.

        One more step on each side is included if there is one, so that curves reach the edges.
        """
        with self._lock:
            sums = self._sums.get(name)
            if sums is None:
                sums = self._sums[name] = _MetricSums()
            ranks = {}
            with self._telemetry_lock:
                for rank, lives in self._telemetry.ranks.items():
                    generation, rows_read = sums.read.get(rank, (lives.generation, 0))
                    if generation != lives.generation and rows_read:  # Rows in the sums were replaced.
                        sums = self._sums[name] = _MetricSums()
                        ranks = {
                            other_rank: (other, other.since(0)) for other_rank, other in self._telemetry.ranks.items()
                        }
                        break
                    if lives.rows > rows_read:
                        ranks[rank] = lives, lives.since(rows_read)
                sums.read |= {rank: (lives.generation, lives.rows) for rank, (lives, _) in ranks.items()}
            for rank, (_, pieces) in ranks.items():
                sums.add(name, rank, pieces)
            return downsample_band(sums.sums.between(start, end, len(sums.counts)), points)

    def lines(
        self,
        name: str,
        *,
        ranks: Sequence[int] | None = None,
        start: float | None = None,
        end: float | None = None,
        points: int = POINTS,
    ) -> dict[int, Line]:
        """Return the lines of `ranks` (None: all) that have reported a metric; for the rest see `band`."""
        with self._telemetry_lock:
            wanted = sorted(self._telemetry.ranks) if ranks is None else list(dict.fromkeys(ranks))
            pieces = {rank: self._telemetry.ranks[rank].slices[:] for rank in wanted if rank in self._telemetry.ranks}
        lines = {rank: _line(name, mine, start, end) for rank, mine in pieces.items()}
        return {rank: downsample_line(line, points) for rank, line in lines.items() if len(line.x)}

    def times(self, x: Array) -> Array:
        """Return the times (unix seconds, interpolated) at which the lowest reporting rank was at the steps `x`."""
        with self._telemetry_lock:
            leader = self._telemetry.leader()
            pieces = [] if leader is None else self._telemetry.ranks[leader].slices[:]
        parts = [(_steps(piece), _array(piece.batch.time), piece.limit) for piece in pieces if len(piece.batch.time)]
        live = [(steps[steps < limit], times[steps < limit]) for steps, times, limit in parts]
        if not sum(len(steps) for steps, _ in live):
            return np.full(len(x), np.nan)
        steps, times = sort_by_x(np.concatenate([s for s, _ in live]), np.concatenate([t for _, t in live]))
        interpolated: Any = np.interp(x, steps, times)
        moments: Array = np.asarray(interpolated)
        return moments

    def restarts(self) -> list[float]:
        """Return the steps from which on a later attempt replaced reports of an earlier one."""
        with self._telemetry_lock:
            limits = {piece.limit for lives in self._telemetry.ranks.values() for piece in lives.slices}
        return sorted(limit for limit in limits if np.isfinite(limit))

    def size(self) -> int:
        """Return the approximate number of reports, including replaced ones."""
        with self._telemetry_lock:
            return sum(len(piece.batch.time) for lives in self._telemetry.ranks.values() for piece in lives.slices)

    def rows(self, names: Sequence[str] | None = None, *, every: int = 1) -> Iterator[Row]:
        """Yield each report, or one of `every`, rank by rank, with the values of `names` (None: all).

        The rows are generated lazily.
        """
        wanted = self.names() if names is None else list(names)
        with self._telemetry_lock:
            pieces = [(rank, self._telemetry.ranks[rank].slices[:]) for rank in sorted(self._telemetry.ranks)]
        for rank, slices in pieces:
            row_count = 0
            for piece in slices:
                live_rows = piece.rows()
                yield from _rows(rank, piece.batch, live_rows[-row_count % every :: every], wanted)
                row_count += len(live_rows)

    @property
    def complete(self) -> bool:
        """Whether no report is known to be missing."""
        with self._telemetry_lock:
            return not self._telemetry.thinned()


class _MetricSums:
    """The sums of one metric, and the rows of each rank that they include."""

    def __init__(self) -> None:
        self.sums = StepSums()
        self.read: dict[int, tuple[int, int]] = {}
        """Generation and number of included rows of each rank."""
        self.counts: dict[int, int] = {}

    def add(self, name: str, rank: int, pieces: Sequence[tuple[BatchSlice, int]]) -> None:
        value_count = self.counts.get(rank, 0)
        parts = []
        for piece, first in pieces:
            if name in piece.batch.metrics:
                x, y, value_count = _points(piece, piece.batch.metrics[name], value_count, first)
                parts.append((x, y))
        if parts:
            self.counts[rank] = value_count
            self.sums.add(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))


def _line(name: str, slices: Sequence[BatchSlice], start: float | None, end: float | None) -> Line:
    """Return the line of one rank; slices outside of the range are skipped."""
    parts: list[tuple[Array, Array]] = []
    before: tuple[Array, Array] | None = None
    value_count = 0
    for piece in slices:
        column = piece.batch.metrics.get(name)
        if column is None:
            continue
        if end is not None and parts and piece.batch.lowest_step > end and parts[-1][0][-1] > end:
            value_count += len(column.values)
            continue
        x, y, value_count = _points(piece, column, value_count)
        if not len(x):
            continue
        if start is not None and not parts and x[-1] < start:
            before = x, y
            continue
        if before is not None:
            parts.append(before)
            before = None
        parts.append((x, y))
    if not parts:
        return Line(np.empty(0), np.empty(0))
    x, y = sort_by_x(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
    left, right = slice_between(x, start, end)
    x, y = x[left:right], y[left:right]
    return Line(x, np.where(np.isfinite(y), y, np.nan))


def _points(piece: BatchSlice, column: Column, value_count: int, first: int = 0) -> tuple[Array, Array, int]:
    """Return the points of a metric in a slice from row `first` on, and the number of values of the rank so far."""
    x, y = _steps(piece), _array(column.values)
    if column.rows is not None:
        skipped = bisect_left(column.rows, first)
        rows = np.frombuffer(column.rows, dtype=np.dtype(column.rows.typecode)) if len(column.rows) else _NO_ROWS
        x, y = x[rows[skipped:]], y[skipped:]
    else:
        x, y = x[first:], y[first:]
    if piece.limit != np.inf:
        live = ~(x >= piece.limit)
        x, y = x[live], y[live]
    if piece.batch.has_stepless:
        x = np.where(np.isnan(x), value_count + np.arange(len(x)), x)
    return x, y, value_count + len(x)


def _steps(piece: BatchSlice) -> Array:
    return _array(piece.batch.step)


def _array(values: Any) -> Array:
    return np.frombuffer(values, dtype=np.float64) if len(values) else np.empty(0)


def _rows(rank: int, batch: Batch, rows: Sequence[int], names: Sequence[str]) -> Iterator[Row]:
    columns_by_name = [batch.metrics.get(name, EMPTY_COLUMN) for name in names]
    cells = [column.cells(len(batch), None) for column in columns_by_name]
    for row in rows:
        step = batch.step[row]
        yield rank, batch.time[row], step if step == step else None, [column[row] for column in cells]  # noqa: PLR0124
