"""What the frames of one job have said so far: who started and ended, what was reported, what went wrong.

Frames come in any order and more than once (from a followed log, from one read again, from the history); what they say
is kept by rank, attempt and sequence number, so nothing counts twice. Where frames are missing, the newest checkpoint
of the whole history stands in for what it covers.
"""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from jupyter_trainjob.worker import messages
from jupyter_trainjob.worker.protocol import Assembler, Frame, Message, loads

NAN = math.nan

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RankError:
    """The exception that ended a rank."""

    rank: int
    time: float
    type: str
    message: str
    where: str
    source: str
    traceback: str


@dataclass(slots=True)
class Batch:
    """Columns of one message: rows have a time, a step (nan: none) and a value of each metric (nan: none)."""

    time: array[float]
    step: array[float]
    metrics: dict[str, array[float]]
    total: int | None

    @staticmethod
    def of(body: messages.Metrics) -> Batch:
        """Read the body of a ``metrics`` or ``history`` message."""
        metrics = {name: _column(values) for name, values in body["metrics"].items()}
        return Batch(_column(body["time"]), _column(body["step"]), metrics, _whole(body["total"]))


@dataclass(slots=True)
class Attempt:
    """One life of one rank."""

    started: float | None = None
    ended: float | None = None
    seen: set[int] = field(default_factory=set)
    batches: dict[int, Batch] = field(default_factory=dict)
    history: tuple[int, Batch] | None = None
    """The newest checkpoint, with its sequence number."""

    def columns(self) -> list[Batch]:
        """Return what was reported, in order: all of it, or from the checkpoint on where frames are missing."""
        after = -1
        parts: list[Batch] = []
        if self.history is not None and len([seq for seq in self.seen if seq < self.history[0]]) < self.history[0]:
            after = self.history[0]
            parts.append(self.history[1])
        return parts + [self.batches[seq] for seq in sorted(self.batches) if seq > after]


class Record:
    """The frames of one job, understood. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._assembler = Assembler()
        self._attempts: dict[int, dict[int, Attempt]] = {}
        self._errors: dict[tuple[int, int], RankError] = {}
        self._result: Message | None = None
        self.world = 0
        """Number of ranks, as they said when they started; 0 while none has."""
        self._names: dict[str, None] = {}

    def add(self, frame: Frame) -> None:
        """Take over one frame."""
        attempt = self._attempts.setdefault(frame.rank, {}).setdefault(frame.attempt, Attempt())
        if frame.seq in attempt.seen:
            return
        attempt.seen.add(frame.seq)
        message = self._assembler.feed(frame)
        if message is None:
            return
        try:
            self._take(attempt, message)
        except (ValueError, KeyError, TypeError) as error:
            # Whatever a program prints must not stop a reader: a line can look like a frame of ours.
            _log.info("a %s message of rank %d makes no sense: %r", message.kind, message.rank, error)

    def columns(self) -> dict[str, list[float]]:
        """Return rank, time, step and each metric as columns of one length, rank by rank; nan where there is no value.

        A later attempt of a rank replaces what an earlier one reported from the step where the later one began.
        """
        table: dict[str, list[float]] = {"rank": [], "time": [], "step": [], **{name: [] for name in self._names}}
        for rank in sorted(self._attempts):
            for batch, rows in self._rows(rank):
                table["rank"] += [rank] * len(rows)
                table["time"] += [batch.time[row] for row in rows]
                table["step"] += [batch.step[row] for row in rows]
                for name in self._names:
                    values = batch.metrics.get(name)
                    table[name] += [NAN] * len(rows) if values is None else [values[row] for row in rows]
        return table

    def leader(self) -> int | None:
        """Return the lowest rank that has reported anything."""
        return min(
            (rank for rank, lives in self._attempts.items() if any(a.columns() for a in lives.values())), default=None
        )

    def recent(self, rank: int, window: float) -> list[tuple[float, float]]:
        """Return (time, step) of the last `window` seconds of what `rank` reported, oldest first."""
        found: list[tuple[float, float]] = []
        for batch in reversed(self._newest(rank).columns()):
            for time, step in zip(reversed(batch.time), reversed(batch.step), strict=True):
                if found and time < found[0][0] - window:
                    return found[::-1]
                if not math.isnan(step):
                    found.append((time, step))
        return found[::-1]

    def total(self, rank: int) -> int | None:
        """Return the number of steps that `rank` announced last."""
        return next((batch.total for batch in reversed(self._newest(rank).columns()) if batch.total is not None), None)

    def last(self) -> dict[str, float]:
        """Return the last value of each metric, of the lowest rank that has reported."""
        rank = self.leader()
        found: dict[str, float] = {}
        if rank is None:
            return found
        batches = self._newest(rank).columns()
        for name in self._names:
            for batch in reversed(batches):
                value = next((v for v in reversed(batch.metrics.get(name, ())) if not math.isnan(v)), None)
                if value is not None:
                    found[name] = value
                    break
        return found

    def all_started(self) -> float | None:
        """Return when the last of all ranks had started, None while one is missing."""
        starts = [self._newest(rank).started for rank in self._attempts]
        known = [start for start in starts if start is not None]
        return max(known) if self.world and len(known) >= self.world else None

    def ended(self) -> float | None:
        """Return when the last rank ended, None while none has."""
        return max((end for rank in self._attempts if (end := self._newest(rank).ended) is not None), default=None)

    def errors(self) -> list[RankError]:
        """Return the exceptions of the ranks' newest attempts, the first first."""
        newest = [self._errors.get((rank, max(lives))) for rank, lives in self._attempts.items()]
        return sorted((error for error in newest if error is not None), key=lambda error: (error.time, error.rank))

    def past_errors(self) -> list[RankError]:
        """Return the exceptions of the attempts before the newest, those of the latest of them first."""
        past = [error for (rank, attempt), error in self._errors.items() if attempt < max(self._attempts[rank])]
        return sorted(past, key=lambda error: -error.time)

    def result(self) -> Message | None:
        """Return the message with the result of rank 0, unverified."""
        return self._result

    def _take(self, attempt: Attempt, message: Message) -> None:
        kind = message.kind
        if kind == messages.RESULT:
            if self._result is None or message.attempt >= self._result.attempt:
                self._result = message
            return
        body = loads(message)
        if kind == messages.START:
            attempt.started = float(body["time"])
            self.world = int(body["world"])
        elif kind == messages.END:
            attempt.ended = float(body["time"])
        elif kind == messages.ERROR:
            texts = {name: str(body[name]) for name in ("type", "message", "where", "source", "traceback")}
            error = RankError(rank=message.rank, time=float(body["time"]), **texts)
            self._errors[message.rank, message.attempt] = error
        elif kind == messages.METRICS:
            attempt.batches[message.seq] = self._batch(body)
        elif kind == messages.HISTORY and (attempt.history is None or message.seq > attempt.history[0]):
            attempt.history = (message.seq, self._batch(body))

    def _batch(self, body: messages.Metrics) -> Batch:
        batch = Batch.of(body)
        self._names.update(dict.fromkeys(batch.metrics))
        return batch

    def _newest(self, rank: int) -> Attempt:
        lives = self._attempts[rank]
        return lives[max(lives)]

    def _rows(self, rank: int) -> list[tuple[Batch, list[int]]]:
        """Return what counts of a rank: batches with the indices of their rows that no later attempt replaced."""
        kept: list[tuple[Batch, list[int]]] = []
        limit = math.inf
        for attempt in sorted(self._attempts[rank], reverse=True):
            batches = self._attempts[rank][attempt].columns()
            part = [(b, [i for i, step in enumerate(b.step) if math.isnan(step) or step < limit]) for b in batches]
            kept = part + kept
            limit = min([limit, *(step for b in batches for step in b.step if not math.isnan(step))])
        return kept


def _column(values: Sequence[float | None]) -> array[float]:
    return array("d", [NAN if value is None else value for value in values])


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
