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

from jupyter_trainjob.metrics.usage import Usage
from jupyter_trainjob.worker import messages

NAN = math.nan


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

    def cells(self, length: int) -> list[float]:
        """Return a value for each of `length` rows, nan where there is none."""
        if self.rows is None:
            return self.values.tolist()
        found = [NAN] * length
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
    """One life of one rank."""

    started: float | None = None
    ended: float | None = None
    usage: tuple[int, Usage] | None = None
    """The newest, with its sequence number."""
    seen: set[int] = field(default_factory=set)
    _batches: dict[int, Batch] = field(default_factory=dict)
    _history: tuple[int, Batch] | None = None
    """The newest checkpoint, with its sequence number."""
    _before_history: int = 0
    """How many frames from before the checkpoint were seen."""
    _parts: list[Batch] | None = field(default_factory=list)
    _last: int = -1
    """The sequence number of the last part."""

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

    def add(self, seq: int, batch: Batch) -> bool:
        """Take new rows; returns whether they come after all others."""
        self._batches[seq] = batch
        if self._parts is None or seq < self._last:
            self._parts = None
            return False
        self._parts.append(batch)
        self._last = seq
        return True

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
            after, parts = -1, []
            if self._history is not None and self._gap:
                after = self._history[0]
                parts.append(self._history[1])
            self._last = max(self._batches, default=-1)
            self._parts = parts + [self._batches[seq] for seq in sorted(self._batches) if seq > after]
        return self._parts


class Lives:
    """All attempts of one rank, and what counts of them."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.pieces: list[Piece] = []
        """What counts, in order; grows at its end while `generation` stays."""
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
        if attempt.add(seq, batch) and (only or (attempt is self.newest and batch.begins >= self._begins)):
            self.pieces.append(Piece(batch))
            self._begins = min(self._begins, batch.begins)
        else:
            self.arrange()

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
