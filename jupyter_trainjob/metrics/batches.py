"""Batches of rows that one rank reported, and which of them count.

Frames of an attempt arrive in any order; if some are missing, the newest checkpoint of the whole history replaces what
it covers. A later attempt replaces what an earlier one reported from the first step of the later one on.
`RankAttempts` keeps the valid batches in order; while its `generation` stays the same they only grow, so that
aggregations such as `Series` read each of them once.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from jupyter_trainjob.metrics import sanitize
from jupyter_trainjob.metrics.node_usage import Usage
from jupyter_trainjob.worker.output import messages

NAN = math.nan
Missing = TypeVar("Missing", float, None)
JOINED_ROWS = 2_048
"""Batches of more rows are not joined."""
GAP_LIMIT = 1_000
"""Maximum of frames between two batches that are checked for gaps."""


@dataclass(slots=True)
class Column:
    """The values of one metric in a batch. A reported nan is a value; a row without the metric has none."""

    values: array[float]
    rows: array[int] | None
    """Indices of the batch's rows with a value; None for all of them."""
    _broken_from: int | None = None

    @staticmethod
    def from_cells(cells: Sequence[float | None]) -> Column:
        """Parse the cells of a message, None for a row without a value."""
        if None not in cells:
            return Column(sanitize.numbers(cells), None)
        rows = array("l", [row for row, cell in enumerate(cells) if cell is not None])
        return Column(sanitize.numbers([cell for cell in cells if cell is not None]), rows)

    def row_indices(self, length: int, shift: int) -> array[int]:
        """Return the indices of rows with a value in a batch of `length` rows, plus `shift`."""
        return array("l", range(shift, shift + length) if self.rows is None else [shift + row for row in self.rows])

    def broken_from(self) -> int:
        """Return the index from which on no value is finite; the number of values if the last one is."""
        if self._broken_from is None:  # Cached: a run of NaN may be long, and views read this often.
            first = len(self.values)
            while first > 0 and not math.isfinite(self.values[first - 1]):
                first -= 1
            self._broken_from = first
        return self._broken_from

    def cells(self, length: int, missing: Missing) -> list[float | Missing]:
        """Return a value for each of `length` rows, `missing` for rows without one."""
        if self.rows is None:
            return [*self.values]
        cells: list[float | Missing] = [missing] * length
        for row, value in zip(self.rows, self.values, strict=True):
            cells[row] = value
        return cells


@dataclass(slots=True)
class Batch:
    """The rows of one message, in the order of time. Immutable: others read its arrays in place."""

    time: array[float]
    step: array[float]
    """nan for a row without a step."""
    metrics: dict[str, Column]
    total: int | None
    lowest_step: float
    highest_step: float
    """Lowest and highest step; inf and -inf if no row has one."""
    has_stepless: bool
    """Whether some rows have no step."""
    left_out: int = 0
    """Number of reports that the rank dropped so far, for lack of room."""

    @staticmethod
    def from_message(body: messages.Metrics) -> Batch:
        """Parse the body of a ``metrics`` or ``history`` message; ValueError if its columns differ in length."""
        time, steps = sanitize.moments(body["time"]), sanitize.steps(body["step"])
        metrics = {
            sanitize.text(name): Column.from_cells(cells)
            for name, cells in body["metrics"].items()
            if name not in messages.RESERVED and not messages.metric_name_error(name)
        }
        if len(steps) != len(time) or any(len(cells) != len(time) for cells in body["metrics"].values()):
            raise ValueError("columns of different lengths")
        known_steps = [step for step in steps if not math.isnan(step)]
        return Batch(
            time,
            steps,
            metrics,
            sanitize.total(body["total"]),
            min(known_steps, default=math.inf),
            max(known_steps, default=-math.inf),
            len(known_steps) < len(steps),
            sanitize.count(body.get("left_out")) or 0,
        )

    def __len__(self) -> int:
        return len(self.time)

    def joined(self, other: Batch) -> Batch:
        """Return a batch with the rows of this one, followed by those of `other`."""
        metrics = {}
        for name in {**self.metrics, **other.metrics}:
            mine, theirs = self.metrics.get(name, EMPTY_COLUMN), other.metrics.get(name, EMPTY_COLUMN)
            rows = None
            if mine.rows is not None or theirs.rows is not None:
                rows = mine.row_indices(len(self), 0) + theirs.row_indices(len(other), len(self))
            metrics[name] = Column(mine.values + theirs.values, rows)
        return Batch(
            self.time + other.time,
            self.step + other.step,
            metrics,
            self.total if other.total is None else other.total,
            min(self.lowest_step, other.lowest_step),
            max(self.highest_step, other.highest_step),
            self.has_stepless or other.has_stepless,
            max(self.left_out, other.left_out),
        )


EMPTY_COLUMN = Column(array("d"), array("l"))


@dataclass(frozen=True, slots=True)
class BatchSlice:
    """A batch without the rows from the step on that later attempts have replaced."""

    batch: Batch
    limit: float = math.inf

    def rows(self) -> Sequence[int]:
        """Return the indices of the valid rows."""
        steps = self.batch.step
        if self.limit == math.inf:
            return range(len(steps))
        return [row for row, step in enumerate(steps) if math.isnan(step) or step < self.limit]


@dataclass(slots=True)
class Attempt:
    """One attempt of one rank.

    Frames are small if reports are rare, and every batch has an overhead: successive batches are joined, so that their
    number stays small.
    """

    started: float | None = None
    ended: float | None = None
    usage: tuple[int, Usage] | None = None
    """The newest usage, with its sequence number."""
    seen: set[int] = field(default_factory=set)
    _batches: dict[int, Batch] = field(default_factory=dict)
    """Batches by sequence number of their first frame."""
    _history: tuple[int, Batch] | None = None
    """The newest checkpoint, with its sequence number."""
    _before_history: int = 0
    """Number of frames seen from before the checkpoint."""
    _parts: list[Batch] | None = field(default_factory=list)
    _joinable: list[tuple[int, bool]] = field(default_factory=list)
    """Sequence number of each part, and whether it directly follows the previous one."""
    _last: int = -1
    """The highest sequence number of a batch."""

    def record_frame(self, seq: int) -> bool:
        """Record the sequence number of a frame; return whether it is new."""
        if seq in self.seen:
            return False
        self.seen.add(seq)
        if self._history is not None and seq < self._history[0]:
            self._before_history += 1
            if self._before_history == self._history[0]:
                self._parts = None  # No frame is missing any more.
        return True

    def add(self, seq: int, batch: Batch) -> int | None:
        """Add new rows; return the number of last parts they were joined with, or None if all parts have changed."""
        self._batches[seq] = batch
        before, self._last = self._last, max(self._last, seq)
        if self._parts is None or seq < before or (self._history is not None and self._gap and seq < self._history[0]):
            self._parts = None
            return None
        self._parts.append(batch)
        self._joinable.append((seq, self._follows(before, seq)))
        return self._join(self._parts)

    def _follows(self, before: int, seq: int) -> bool:
        if before < 0 or seq - before > GAP_LIMIT or (self._history is not None and before < self._history[0] < seq):
            return False
        return all(between in self.seen for between in range(before + 1, seq))

    def _join(self, parts: list[Batch]) -> int:
        """Join the last parts: a part with its predecessor, unless that is longer."""
        joined = 0
        while self._joinable[-1][1] and len(parts[-2]) <= len(parts[-1]) <= JOINED_ROWS:
            key, _ = self._joinable.pop()
            last = parts.pop()
            del self._batches[key]
            parts[-1] = self._batches[self._joinable[-1][0]] = parts[-1].joined(last)
            joined += 1
        return joined

    def checkpoint(self, seq: int, batch: Batch) -> None:
        """Add a message with the whole history."""
        if self._history is None or seq > self._history[0]:
            self._history = seq, batch
            self._before_history = sum(1 for number in self.seen if number < seq)
            if self._gap:
                self._parts = None

    @property
    def thinned(self) -> bool:
        """Whether reports are missing: frames are, or the rank dropped reports for lack of room."""
        return self._gap or any(batch.left_out for batch in self.parts())

    @property
    def _gap(self) -> bool:
        return self._history is not None and self._before_history < self._history[0]

    @property
    def stale(self) -> bool:
        """Whether the parts have to be built again."""
        return self._parts is None

    def parts(self) -> list[Batch]:
        """Return the reported batches in order: all, or from the checkpoint on if frames are missing."""
        if self._parts is None:
            after = self._history[0] if self._history is not None and self._gap else -1
            keys = [seq for seq in sorted(self._batches) if seq > after]
            self._parts = [self._batches[seq] for seq in keys]
            self._joinable = [(seq, False) for seq in keys]
            if self._history is not None and self._gap:
                self._parts.insert(0, self._history[1])
                self._joinable.insert(0, (after, False))
        return self._parts


class RankAttempts:
    """All attempts of one rank, and their valid rows."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.slices: list[BatchSlice] = []
        """The valid batches in order. While `generation` stays, rows are only appended, though slices may be joined."""
        self.rows = 0
        """Number of rows in the slices, including replaced ones."""
        self.generation = 0
        self._begins = math.inf
        """The lowest step of the newest attempt, from which on rows of earlier ones are replaced."""

    def attempt(self, number: int) -> Attempt:
        """Return one of the attempts; it is created if it is new."""
        attempt = self.attempts.get(number)
        if attempt is None:
            if number > max(self.attempts, default=-1):
                self._begins = math.inf
            attempt = self.attempts[number] = Attempt()
        return attempt

    @property
    def newest(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[max(self.attempts)]

    def add(self, attempt: Attempt, seq: int, batch: Batch) -> None:
        """Add new rows of one of the attempts."""
        only = len(self.attempts) == 1
        joined = attempt.add(seq, batch)
        if joined is not None and (only or (attempt is self.newest and batch.lowest_step >= self._begins)):
            self.slices[len(self.slices) - joined :] = [BatchSlice(attempt.parts()[-1])]
            self.rows += len(batch)
            self._begins = min(self._begins, batch.lowest_step)
        else:
            self.arrange()

    def since(self, row: int) -> list[tuple[BatchSlice, int]]:
        """Return the slices from a row on, each with the index of its first row after that."""
        slices: list[tuple[BatchSlice, int]] = []
        before = self.rows
        for piece in reversed(self.slices):
            if before <= row:
                break
            before -= len(piece.batch)
            slices.append((piece, max(0, row - before)))
        return slices[::-1]

    def arrange(self) -> None:
        """Build the slices again."""
        self.generation += 1
        self.slices, limit = [], math.inf
        for number in sorted(self.attempts, reverse=True):
            batches = self.attempts[number].parts()
            self.slices = [BatchSlice(batch, limit) for batch in batches] + self.slices
            limit = min([limit, *(batch.lowest_step for batch in batches)])
            if number == max(self.attempts):
                self._begins = limit
        self.rows = sum(len(piece.batch) for piece in self.slices)
