"""What one rank reported, as frames bring it: batches of rows, and which of them count.

Frames of an attempt come in any order; where some are missing, the newest checkpoint of the whole history stands in for
what it covers. A later attempt replaces what an earlier one reported from the step where the later one began. `Lives`
keeps the batches that count in order, and says whether they only grew since somebody looked (`generation`): who adds
them up, as `Series` does, reads each of them once.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from jupyter_trainjob.metrics.usage import Usage
from jupyter_trainjob.worker import messages

NAN = math.nan
Missing = TypeVar("Missing", float, None)
JOINED_ROWS = 2_048
"""Batches of more rows are not joined any more."""
NEAR = 1_000
"""Frames between two batches that are looked for, to see whether any is missing."""


@dataclass(slots=True)
class Column:
    """The values of one metric in a batch. A reported nan is a value; a row without the metric has none."""

    values: array[float]
    rows: array[int] | None
    """Which rows of the batch have a value; None: all of them."""

    @staticmethod
    def of(cells: Sequence[float | None]) -> Column:
        """Read the cells of a message, None where a row has no value."""
        if None not in cells:
            return Column(array("d", cells), None)  # type: ignore[arg-type]
        rows = array("l", [row for row, cell in enumerate(cells) if cell is not None])
        return Column(array("d", [cell for cell in cells if cell is not None]), rows)

    def places(self, length: int, shift: int) -> array[int]:
        """Return the rows that have a value, in a batch of `length` rows, if it stood `shift` rows further down."""
        return array("l", range(shift, shift + length) if self.rows is None else [shift + row for row in self.rows])

    def cells(self, length: int, missing: Missing) -> list[float | Missing]:
        """Return a value for each of `length` rows, `missing` where there is none."""
        if self.rows is None:
            return [*self.values]
        found: list[float | Missing] = [missing] * length
        for row, value in zip(self.rows, self.values, strict=True):
            found[row] = value
        return found


@dataclass(slots=True)
class Batch:
    """The rows of one message, in the order of time. Nothing changes it: others may look into its arrays."""

    time: array[float]
    step: array[float]
    """nan where a row has none."""
    metrics: dict[str, Column]
    total: int | None
    begins: float
    ends: float
    """The lowest and the highest step; inf and -inf if no row has one."""
    bare: bool
    """Whether some rows have no step."""
    left_out: int = 0
    """How many reports the rank had no room for, up to here."""

    @staticmethod
    def of(body: messages.Metrics) -> Batch:
        """Read the body of a ``metrics`` or ``history`` message; ValueError if its columns are not of one length."""
        time, steps, total = array("d", body["time"]), body["step"], body["total"]
        if any(len(cells) != len(time) for cells in (steps, *body["metrics"].values())):
            raise ValueError("columns of different lengths")
        known = [step for step in steps if step is not None and not math.isnan(step)]
        return Batch(
            time,
            array("d", [NAN if step is None else step for step in steps]),
            {name: Column.of(cells) for name, cells in body["metrics"].items()},
            None if total is None else int(total),
            min(known, default=math.inf),
            max(known, default=-math.inf),
            len(known) < len(steps),
            int(body.get("left_out", 0)),
        )

    def __len__(self) -> int:
        return len(self.time)

    def joined(self, other: Batch) -> Batch:
        """Return one batch with the rows of this one, then those of `other`."""
        metrics = {}
        for name in {**self.metrics, **other.metrics}:
            mine, theirs = self.metrics.get(name, NOTHING), other.metrics.get(name, NOTHING)
            rows = None
            if mine.rows is not None or theirs.rows is not None:
                rows = mine.places(len(self), 0) + theirs.places(len(other), len(self))
            metrics[name] = Column(mine.values + theirs.values, rows)
        return Batch(
            self.time + other.time,
            self.step + other.step,
            metrics,
            self.total if other.total is None else other.total,
            min(self.begins, other.begins),
            max(self.ends, other.ends),
            self.bare or other.bare,
            max(self.left_out, other.left_out),
        )


NOTHING = Column(array("d"), array("l"))


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch, and the step from which on later attempts have replaced its rows."""

    batch: Batch
    limit: float = math.inf

    def rows(self) -> Sequence[int]:
        """Return the indices of the rows that count."""
        steps = self.batch.step
        if self.limit == math.inf:
            return range(len(steps))
        return [row for row, step in enumerate(steps) if math.isnan(step) or step < self.limit]


@dataclass(slots=True)
class Attempt:
    """One life of one rank.

    Frames are small where reports are rare, and every batch has its own weight: batches that follow each other are
    joined, so that there are few of them however long the run.
    """

    started: float | None = None
    ended: float | None = None
    usage: tuple[int, Usage] | None = None
    """The newest, with its sequence number."""
    seen: set[int] = field(default_factory=set)
    _batches: dict[int, Batch] = field(default_factory=dict)
    """By the sequence number of their first frame."""
    _history: tuple[int, Batch] | None = None
    """The newest checkpoint, with its sequence number."""
    _before_history: int = 0
    """How many frames from before the checkpoint were seen."""
    _parts: list[Batch] | None = field(default_factory=list)
    _links: list[tuple[int, bool]] = field(default_factory=list)
    """Of each part its sequence number, and whether nothing can ever come between the one before and it."""
    _last: int = -1
    """The highest sequence number of a batch."""

    def see(self, seq: int) -> bool:
        """Take note of a frame; returns whether it is new."""
        if seq in self.seen:
            return False
        self.seen.add(seq)
        if self._history is not None and seq < self._history[0]:
            self._before_history += 1
            if self._before_history == self._history[0]:
                self._parts = None  # Nothing is missing any more.
        return True

    def add(self, seq: int, batch: Batch) -> int | None:
        """Take new rows; returns how many of the last parts they were joined with. None: all parts are others now."""
        self._batches[seq] = batch
        before, self._last = self._last, max(self._last, seq)
        if self._parts is None or seq < before or (self._history is not None and self._gap and seq < self._history[0]):
            self._parts = None
            return None
        self._parts.append(batch)
        self._links.append((seq, self._follows(before, seq)))
        return self._join(self._parts)

    def _follows(self, before: int, seq: int) -> bool:
        if before < 0 or seq - before > NEAR or (self._history is not None and before < self._history[0] < seq):
            return False
        return all(between in self.seen for between in range(before + 1, seq))

    def _join(self, parts: list[Batch]) -> int:
        """Join the last parts, a short one with what came before as long as that is not longer."""
        joined = 0
        while self._links[-1][1] and len(parts[-2]) <= len(parts[-1]) <= JOINED_ROWS:
            key, _ = self._links.pop()
            last = parts.pop()
            del self._batches[key]
            parts[-1] = self._batches[self._links[-1][0]] = parts[-1].joined(last)
            joined += 1
        return joined

    def checkpoint(self, seq: int, batch: Batch) -> None:
        """Take a message with the whole history."""
        if self._history is None or seq > self._history[0]:
            self._history = seq, batch
            self._before_history = sum(1 for each in self.seen if each < seq)
            if self._gap:
                self._parts = None

    @property
    def thinned(self) -> bool:
        """Whether reports are missing: frames are, and a checkpoint stands in for them, or the rank had no room."""
        return self._gap or any(batch.left_out for batch in self.parts())

    @property
    def _gap(self) -> bool:
        return self._history is not None and self._before_history < self._history[0]

    @property
    def stale(self) -> bool:
        """Whether the parts are others than when they were last asked for."""
        return self._parts is None

    def parts(self) -> list[Batch]:
        """Return what was reported, in order: all of it, or from the checkpoint on where frames are missing."""
        if self._parts is None:
            after = self._history[0] if self._history is not None and self._gap else -1
            keys = [seq for seq in sorted(self._batches) if seq > after]
            self._parts = [self._batches[seq] for seq in keys]
            self._links = [(seq, False) for seq in keys]
            if self._history is not None and self._gap:
                self._parts.insert(0, self._history[1])
                self._links.insert(0, (after, False))
        return self._parts


class Lives:
    """All attempts of one rank, and what counts of them."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.pieces: list[Piece] = []
        """What counts, in order. While `generation` stays, rows only come at the end, though pieces may be joined."""
        self.rows = 0
        """How many rows the pieces have, with those that do not count."""
        self.generation = 0
        self._begins = math.inf
        """The lowest step of the newest attempt: what earlier ones reported from there on is replaced."""

    def attempt(self, number: int) -> Attempt:
        """Return one of the attempts, which may be new."""
        found = self.attempts.get(number)
        if found is None:
            if number > max(self.attempts, default=-1):
                self._begins = math.inf
            found = self.attempts[number] = Attempt()
        return found

    @property
    def newest(self) -> Attempt:
        """The attempt that runs, or ran last."""
        return self.attempts[max(self.attempts)]

    def add(self, attempt: Attempt, seq: int, batch: Batch) -> None:
        """Take new rows of one of the attempts."""
        only = len(self.attempts) == 1
        joined = attempt.add(seq, batch)
        if joined is not None and (only or (attempt is self.newest and batch.begins >= self._begins)):
            self.pieces[len(self.pieces) - joined :] = [Piece(attempt.parts()[-1])]
            self.rows += len(batch)
            self._begins = min(self._begins, batch.begins)
        else:
            self.arrange()

    def since(self, row: int) -> list[tuple[Piece, int]]:
        """Return the pieces from a row on, each with the first of its rows that comes after it."""
        found: list[tuple[Piece, int]] = []
        before = self.rows
        for piece in reversed(self.pieces):
            if before <= row:
                break
            before -= len(piece.batch)
            found.append((piece, max(0, row - before)))
        return found[::-1]

    def arrange(self) -> None:
        """Find out anew what counts."""
        self.generation += 1
        self.pieces, limit = [], math.inf
        for number in sorted(self.attempts, reverse=True):
            batches = self.attempts[number].parts()
            self.pieces = [Piece(batch, limit) for batch in batches] + self.pieces
            limit = min([limit, *(batch.begins for batch in batches)])
            if number == max(self.attempts):
                self._begins = limit
        self.rows = sum(len(piece.batch) for piece in self.pieces)
