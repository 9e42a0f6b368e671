"""What the frames of one job have said so far: who started and ended, what was reported, what went wrong.

Frames come in any order and more than once (from a followed log, from one read again, from the history); what they say
is kept by rank, attempt and sequence number, so nothing counts twice. Where frames are missing, the newest checkpoint
of the whole history stands in for what it covers.
"""

from __future__ import annotations

import itertools
import logging
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.metrics import usage
from jupyter_trainjob.metrics.batches import NAN, Attempt, Batch, Lives
from jupyter_trainjob.worker import messages
from jupyter_trainjob.worker.protocol import Assembler, Frame, Message, loads

SAMPLES = 60
"""Rows that `Record.recent` returns at most."""
SKEW = 5.0
"""Seconds by which the clocks of a node and the API may differ."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest checkpoint in a job's folder."""

    count: int
    """How many there are."""
    name: str
    step: int | None
    time: float
    """Unix seconds."""


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


class Record:
    """The frames of one job, understood. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self.ranks: dict[int, Lives] = {}
        self.world = 0
        """Number of ranks, as they said when they started; 0 while none has."""
        self.version = 0
        """Rises with every change of what was reported."""
        self.names: dict[str, int] = {}
        """Every metric, in the order of the first report, with the version of its last change."""
        self._assembler = Assembler()
        self._errors: dict[tuple[int, int], RankError] = {}
        self._results: dict[int, Message] = {}
        self._raised: dict[int, Message] = {}
        self._stalls: dict[tuple[int, int], tuple[int, messages.Stall]] = {}
        self.checkpoint: Checkpoint | None = None
        """The newest that a rank has told of."""
        self._step_times: dict[int, tuple[tuple[int, bool, int], list[float]]] = {}

    def add(self, frame: Frame) -> None:
        """Take over one frame."""
        lives = self.ranks.setdefault(frame.rank, Lives())
        attempt = lives.attempt(frame.attempt)
        if not attempt.see(frame.seq):
            return
        message = self._assembler.feed(frame)
        if message is not None:
            try:
                self._take(lives, attempt, message)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                # Whatever a program prints must not stop a reader: a line can look like a frame of ours.
                _log.info("a %s message of rank %d makes no sense: %r", message.kind, message.rank, error)
        if attempt.stale:
            lives.arrange()
            self._changed(*(name for piece in lives.pieces for name in piece.batch.metrics))

    def columns(self) -> dict[str, list[float]]:
        """Return rank, time, step and each metric as columns of one length, rank by rank; nan where there is no value.

        A later attempt of a rank replaces what an earlier one reported from the step where the later one began. The
        record may grow meanwhile: what comes after the call began may be left out.
        """
        names = list(self.names)
        table: dict[str, list[float]] = {"rank": [], "time": [], "step": [], **{name: [] for name in names}}
        for rank in sorted(self.ranks):
            for piece in list(self.ranks[rank].pieces):
                batch, rows, length = piece.batch, piece.rows(), len(piece.batch.time)
                table["rank"] += [rank] * len(rows)
                table["time"] += [batch.time[row] for row in rows]
                table["step"] += [batch.step[row] for row in rows]
                for name in names:
                    column = batch.metrics.get(name)
                    cells = [] if column is None else column.cells(length, NAN)
                    table[name] += [cells[row] for row in rows] if cells else [NAN] * len(rows)
        return table

    def leader(self) -> int | None:
        """Return the lowest rank that has reported anything."""
        return min((rank for rank, lives in self.ranks.items() if lives.pieces), default=None)

    def recent(self, rank: int, window: float) -> list[tuple[float, float]]:
        """Return (time, step) of the last `window` seconds of what `rank` reported, oldest first.

        Of many reports these are `SAMPLES`, evenly spread, the last among them.
        """
        return _sample(self._parts(rank), window)

    def step(self, rank: int) -> int | None:
        """Return the step that `rank` reported last."""
        for batch in reversed(self._parts(rank)):
            if batch.begins < math.inf:
                return next(int(step) for step in reversed(batch.step) if not math.isnan(step))
        return None

    def step_times(self, rank: int, window: float) -> list[float]:
        """Return the seconds that a step took between samples of the last `window` seconds of what `rank` reported.

        It is taken again when a second's worth of new reports is there: views ask for every rank, and often.
        """
        lives = self.ranks[rank]
        parts = lives.newest.parts()
        state = max(lives.attempts), len(parts) > 0, int(parts[-1].time[-1]) if parts and parts[-1].time else 0
        known = self._step_times.get(rank)
        if known is None or known[0] != state:
            pairs = itertools.pairwise(_sample(parts, window))
            times = [(b - a) / (after - step) for (a, step), (b, after) in pairs if after > step and b >= a]
            known = self._step_times[rank] = state, times
        return known[1]

    def total(self, rank: int) -> int | None:
        """Return the number of steps that `rank` announced last."""
        return next((batch.total for batch in reversed(self._parts(rank)) if batch.total is not None), None)

    def last(self) -> dict[str, float]:
        """Return the last value of each metric, of the lowest rank that has reported."""
        rank = self.leader()
        found: dict[str, float] = {}
        if rank is None:
            return found
        missing = dict.fromkeys(self.names)
        for batch in reversed(self._parts(rank)):
            for name in [name for name in batch.metrics if name in missing]:
                values = batch.metrics[name].values
                if values:
                    found[name] = values[-1]
                    del missing[name]
            if not missing:
                break
        return {name: found[name] for name in self.names if name in found}

    def usage(self, rank: int) -> usage.Usage | None:
        """Return what the node of `rank`, its first one, said last that it uses."""
        said = self.ranks[rank].newest.usage if rank in self.ranks else None
        return None if said is None else said[1]

    def first_started(self, since: float = 0.0) -> float | None:
        """Return when the first rank had started, None while none has; lives that were over by `since` do not count."""
        return min(self._starts(since), default=None)

    def all_started(self, since: float = 0.0) -> float | None:
        """Return when the last of all ranks had started, None while one is missing."""
        starts = list(self._starts(since))
        return max(starts) if self.world and len(starts) >= self.world else None

    def ended(self) -> float | None:
        """Return when the last rank ended, None while none has."""
        ends = (lives.newest.ended for lives in self.ranks.values())
        return max((end for end in ends if end is not None), default=None)

    def errors(self) -> list[RankError]:
        """Return the exceptions of the ranks' newest attempts, the first first."""
        newest = [self._errors.get((rank, max(lives.attempts))) for rank, lives in self.ranks.items()]
        return sorted((error for error in newest if error is not None), key=lambda error: (error.time, error.rank))

    def past_errors(self) -> list[RankError]:
        """Return the exceptions of the attempts before the newest, those of the latest of them first."""
        past = [error for (rank, attempt), error in self._errors.items() if attempt < max(self.ranks[rank].attempts)]
        return sorted(past, key=lambda error: -error.time)

    def result(self, rank: int = 0) -> Message | None:
        """Return the newest message with the result of a rank, unverified."""
        return self._newest(self._results, rank)

    def raised(self, rank: int) -> Message | None:
        """Return the newest message with the exception of a rank, unverified."""
        return self._newest(self._raised, rank)

    def stalls(self) -> dict[int, messages.Stall]:
        """Return the ranks whose newest attempts make no progress, or made none when they were last heard of."""
        newest = {rank: self._stalls.get((rank, max(lives.attempts))) for rank, lives in self.ranks.items()}
        return {rank: said[1] for rank, said in newest.items() if said is not None and said[1]["stack"]}

    def thinned(self) -> bool:
        """Whether some reports are missing: frames with them are, or there was no room for them."""
        return any(attempt.thinned for lives in self.ranks.values() for attempt in lives.attempts.values())

    def _newest(self, found: dict[int, Message], rank: int) -> Message | None:
        """Return what a rank said in its newest attempt: an earlier one's word is not the job's."""
        said = found.get(rank)
        return said if said is not None and said.attempt == max(self.ranks[rank].attempts) else None

    def _take(self, lives: Lives, attempt: Attempt, message: Message) -> None:
        kind = message.kind
        if kind in (messages.RESULT, messages.RAISED):
            newest = self._results if kind == messages.RESULT else self._raised
            known = newest.get(message.rank)
            if known is None or message.attempt >= known.attempt:
                newest[message.rank] = message
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
        elif kind == messages.CHECKPOINT:
            seen = Checkpoint(body["count"], str(body["name"]), body["step"], float(body["time"]))
            if self.checkpoint is None or seen.time >= self.checkpoint.time:
                self.checkpoint = seen
        elif kind in (messages.USAGE, messages.STALL):
            self._take_newest(attempt, message, body)
        elif kind == messages.METRICS:
            batch = Batch.of(body)
            lives.add(attempt, message.seq, batch)
            self._changed(*batch.metrics)
        elif kind == messages.HISTORY:
            attempt.checkpoint(message.seq, Batch.of(body))

    def _take_newest(self, attempt: Attempt, message: Message, body: Any) -> None:
        """Take over what only counts until it is said again."""
        place = message.rank, message.attempt
        if message.kind == messages.STALL:
            if place not in self._stalls or message.seq > self._stalls[place][0]:
                self._stalls[place] = message.seq, _stall(body)
        elif attempt.usage is None or message.seq > attempt.usage[0]:
            attempt.usage = message.seq, usage.read(body)

    def _changed(self, *names: str) -> None:
        self.version += 1
        self.names.update(dict.fromkeys(names, self.version))

    def _starts(self, since: float) -> Iterator[float]:
        for lives in self.ranks.values():
            started, ended = lives.newest.started, lives.newest.ended
            if started is not None and started >= since - SKEW and (ended is None or ended >= since):
                yield started

    def _parts(self, rank: int) -> list[Batch]:
        return self.ranks[rank].newest.parts()


def _stall(body: messages.Stall) -> messages.Stall:
    """Return what a rank says of where it stands, with nothing in it of another type."""
    return messages.Stall(
        time=float(body["time"]),
        quiet=float(body["quiet"]),
        where=str(body["where"]),
        source=str(body["source"]),
        stack=[(str(file), int(line), str(name)) for file, line, name in body["stack"]],
    )


def _sample(parts: list[Batch], window: float) -> list[tuple[float, float]]:
    """Return (time, step) of rows of the last `window` seconds, evenly spread, the last among them."""
    batches: list[Batch] = []
    start = -math.inf
    for batch in reversed(parts):
        if batch.begins < math.inf:
            start = batch.time[-1] - window if not batches else start
            if batch.time[-1] < start:
                break
            batches.append(batch)
    batches.reverse()
    spans = [range(bisect_left(batch.time, start), len(batch)) for batch in batches]
    ends = list(itertools.accumulate(map(len, spans)))
    found = []
    for place in _spread(range(ends[-1] if ends else 0)):
        at = bisect_right(ends, place)
        row = spans[at][place - ends[at]]  # counted from the end of its batch
        found.append((batches[at].time[row], batches[at].step[row]))
    return [(time, step) for time, step in found if not math.isnan(step)]


def _spread(places: range) -> Iterable[int]:
    """Return at most `SAMPLES` of some places, evenly spread, the first and the last among them."""
    if len(places) <= SAMPLES:
        return places
    return (places[(len(places) - 1) * number // (SAMPLES - 1)] for number in range(SAMPLES))
