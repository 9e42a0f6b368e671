"""Every reported number of a job by metric and rank, ready to be drawn: as a band over the ranks, or as a line of each.

In: a `Record` that grows, and the lock under which it does; each row is added up once. Out: at most as many points as
there is room for, of the whole run or of a stretch of it, so that zooming in shows every step. Of more points than that
each stretch keeps the lowest and the highest: a spike stays a spike.

Rows stay where the record has them, and are looked at in place; on top of that come the sums of each step, whatever the
number of ranks. A value that is no number (nan, inf) is a gap. The x of a row is its step; of a row without one, how
many numbers of that metric its rank had given before.

NumPy is imported with this module: only who draws imports it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from jupyter_trainjob.metrics.bands import Array, Band, Line, Sums, rising, stretch, thin_band, thin_line
from jupyter_trainjob.metrics.batches import NOTHING, Batch, Column, Piece
from jupyter_trainjob.metrics.record import Record

__all__ = ["Band", "Line", "Row", "Series"]

POINTS = 1_000
_NO_ROWS: Any = np.empty(0, dtype=np.int64)
Row: TypeAlias = "tuple[int, float, float | None, list[float | None]]"
"""Rank, time (unix seconds), step, and the value of each metric asked for; None where the report did not say."""


class Series:
    """All metrics of a job. Thread-safe."""

    def __init__(self, record: Record, lock: AbstractContextManager[Any] | None = None) -> None:
        """Draw from `record`; `lock` is held while it changes."""
        self._record = record
        self._record_lock = lock or nullcontext()
        self._lock = threading.Lock()
        self._sums: dict[str, _Added] = {}

    @property
    def version(self) -> int:
        """Return a number that rises with each change."""
        return self._record.version

    def names(self) -> list[str]:
        """Return the metrics, in the order of their first report."""
        with self._record_lock:
            return list(self._record.names)

    def changed_since(self, version: int) -> list[str]:
        """Return the metrics that have changed since `version`."""
        with self._record_lock:
            return [name for name, changed in self._record.names.items() if changed > version]

    def ranks(self, name: str) -> list[int]:
        """Return the ranks that have reported a metric."""
        with self._record_lock:
            ranks = self._record.ranks
            return sorted(r for r in ranks if any(name in piece.batch.metrics for piece in ranks[r].pieces))

    def band(self, name: str, *, start: float | None = None, end: float | None = None, points: int = POINTS) -> Band:
        """Return mean and range of all ranks over the steps from `start` to `end`, at most `points` of them.

        One step more on each side is among them where there is one, so that what is drawn reaches the edge.
        """
        with self._lock:
            added = self._sums.get(name)
            if added is None:
                added = self._sums[name] = _Added()
            ranks = {}
            with self._record_lock:
                for rank, lives in self._record.ranks.items():
                    generation, seen = added.read.get(rank, (lives.generation, 0))
                    if generation != lives.generation and seen:  # What was added up is no more what counts.
                        added = self._sums[name] = _Added()
                        ranks = {each: (other, other.since(0)) for each, other in self._record.ranks.items()}
                        break
                    if lives.rows > seen:
                        ranks[rank] = lives, lives.since(seen)
                added.read |= {rank: (lives.generation, lives.rows) for rank, (lives, _) in ranks.items()}
            for rank, (_, pieces) in ranks.items():
                added.add(name, rank, pieces)
            return thin_band(added.sums.between(start, end, len(added.given)), points)

    def lines(
        self,
        name: str,
        *,
        ranks: Sequence[int] | None = None,
        start: float | None = None,
        end: float | None = None,
        points: int = POINTS,
    ) -> dict[int, Line]:
        """Return the line of each of `ranks` (None: all) that has reported a metric, as `band` does."""
        with self._record_lock:
            wanted = sorted(self._record.ranks) if ranks is None else list(dict.fromkeys(ranks))
            pieces = {rank: self._record.ranks[rank].pieces[:] for rank in wanted if rank in self._record.ranks}
        found = {rank: _line(name, mine, start, end) for rank, mine in pieces.items()}
        return {rank: thin_line(line, points) for rank, line in found.items() if len(line.x)}

    def times(self, x: Array) -> Array:
        """Return when the lowest rank that reports was at the steps `x`: unix seconds, interpolated."""
        with self._record_lock:
            leader = self._record.leader()
            pieces = [] if leader is None else self._record.ranks[leader].pieces[:]
        parts = [(_steps(piece), _array(piece.batch.time), piece.limit) for piece in pieces if len(piece.batch.time)]
        kept = [(steps[steps < limit], times[steps < limit]) for steps, times, limit in parts]
        if not sum(len(steps) for steps, _ in kept):
            return np.full(len(x), np.nan)
        steps, times = rising(np.concatenate([s for s, _ in kept]), np.concatenate([t for _, t in kept]))
        found: Any = np.interp(x, steps, times)
        moments: Array = np.asarray(found)
        return moments

    def restarts(self) -> list[float]:
        """Return the steps from which on a later attempt replaced what an earlier one had reported."""
        with self._record_lock:
            limits = {piece.limit for lives in self._record.ranks.values() for piece in lives.pieces}
        return sorted(limit for limit in limits if np.isfinite(limit))

    def size(self) -> int:
        """Return about how many reports there are: those that a later attempt has replaced count."""
        with self._record_lock:
            return sum(len(piece.batch.time) for lives in self._record.ranks.values() for piece in lives.pieces)

    def rows(self, names: Sequence[str] | None = None, *, every: int = 1) -> Iterator[Row]:
        """Yield each report, or one of `every`, rank by rank, with the values of `names` (None: all).

        Little is held at a time.
        """
        wanted = self.names() if names is None else list(names)
        with self._record_lock:
            pieces = [(rank, self._record.ranks[rank].pieces[:]) for rank in sorted(self._record.ranks)]
        for rank, mine in pieces:
            seen = 0
            for piece in mine:
                kept = piece.rows()
                yield from _rows(rank, piece.batch, kept[-seen % every :: every], wanted)
                seen += len(kept)

    @property
    def complete(self) -> bool:
        """Whether nothing that was reported is known to be missing."""
        with self._record_lock:
            return not self._record.thinned()


class _Added:
    """The sums of one metric, and how far the rows of each rank are in them."""

    def __init__(self) -> None:
        self.sums = Sums()
        self.read: dict[int, tuple[int, int]] = {}
        """Generation and number of rows of each rank."""
        self.given: dict[int, int] = {}

    def add(self, name: str, rank: int, pieces: Sequence[tuple[Piece, int]]) -> None:
        given = self.given.get(rank, 0)
        parts = []
        for piece, first in pieces:
            if name in piece.batch.metrics:
                x, y, given = _points(piece, piece.batch.metrics[name], given, first)
                parts.append((x, y))
        if parts:
            self.given[rank] = given
            self.sums.add(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))


def _line(name: str, pieces: Sequence[Piece], start: float | None, end: float | None) -> Line:
    """Return the line of one rank; pieces that lie outside are passed over."""
    parts: list[tuple[Array, Array]] = []
    before: tuple[Array, Array] | None = None
    given = 0
    for piece in pieces:
        column = piece.batch.metrics.get(name)
        if column is None:
            continue
        if end is not None and parts and piece.batch.begins > end and parts[-1][0][-1] > end:
            given += len(column.values)
            continue
        x, y, given = _points(piece, column, given)
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
    x, y = rising(np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts]))
    left, right = stretch(x, start, end)
    x, y = x[left:right], y[left:right]
    return Line(x, np.where(np.isfinite(y), y, np.nan))


def _points(piece: Piece, column: Column, given: int, first: int = 0) -> tuple[Array, Array, int]:
    """Return the points of a metric in a piece from its row `first` on, and how many its rank has `given` with them."""
    x, y = _steps(piece), _array(column.values)
    if column.rows is not None:
        skipped = bisect_left(column.rows, first)
        rows = np.frombuffer(column.rows, dtype=np.dtype(column.rows.typecode)) if len(column.rows) else _NO_ROWS
        x, y = x[rows[skipped:]], y[skipped:]
    else:
        x, y = x[first:], y[first:]
    if piece.limit != np.inf:
        kept = ~(x >= piece.limit)
        x, y = x[kept], y[kept]
    if piece.batch.bare:
        x = np.where(np.isnan(x), given + np.arange(len(x)), x)
    return x, y, given + len(x)


def _steps(piece: Piece) -> Array:
    return _array(piece.batch.step)


def _array(values: Any) -> Array:
    return np.frombuffer(values, dtype=np.float64) if len(values) else np.empty(0)


def _rows(rank: int, batch: Batch, rows: Sequence[int], names: Sequence[str]) -> Iterator[Row]:
    known = [batch.metrics.get(name, NOTHING) for name in names]
    cells = [column.cells(len(batch), None) for column in known]
    for row in rows:
        step = batch.step[row]
        yield rank, batch.time[row], step if step == step else None, [column[row] for column in cells]  # noqa: PLR0124
