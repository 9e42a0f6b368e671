"""The telemetry of one job, accumulated from its frames: starts, ends, reports, errors.

Frames arrive in any order and repeatedly (from a followed log, from one read again, from the history); they are
identified by rank, attempt and sequence number, so that nothing counts twice. If frames are missing, the newest
checkpoint of the whole history replaces what it covers.
"""

from __future__ import annotations

import itertools
import logging
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.metrics import node_usage, sanitize
from jupyter_trainjob.metrics.batches import NAN, Attempt, Batch, RankAttempts
from jupyter_trainjob.metrics.latest_values import LatestValue, latest_values
from jupyter_trainjob.worker.output import messages
from jupyter_trainjob.worker.protocol import Assembler, Frame, Message, loads

SAMPLES = 60
"""Maximum of rows that `Telemetry.recent` returns."""
UNSENT_LIMIT = 100
"""Maximum of sentences of a rank on parts of its result that it could not send."""
SKEW = 5.0
"""Tolerated difference in seconds between the clocks of a node and the API server."""

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


class Telemetry:
    """The accumulated messages of one job. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self.ranks: dict[int, RankAttempts] = {}
        self.world = 0
        """Number of ranks, from their ``start`` messages; 0 before the first."""
        self.version = 0
        """Increases with every change."""
        self.names: dict[str, int] = {}
        """All metrics, in the order of the first report, with the version of their last change."""
        self._assembler = Assembler()
        self._errors: dict[tuple[int, int], RankError] = {}
        self._results: dict[int, Message] = {}
        self._raised: dict[int, Message] = {}
        self._stalls: dict[tuple[int, int], tuple[int, messages.Stall]] = {}
        self._solo: set[tuple[int, int]] = set()
        self._unsent: dict[tuple[int, int], list[str]] = {}
        self.checkpoint: Checkpoint | None = None
        """The newest checkpoint that a rank has reported."""
        self._latest: tuple[int, dict[str, LatestValue]] | None = None
        """Cached result of `latest`, with its version."""
        self._step_times: dict[int, tuple[tuple[int, bool, int], list[float]]] = {}

    def add(self, frame: Frame) -> None:
        """Add one frame."""
        lives = self.ranks.setdefault(frame.rank, RankAttempts())
        attempt = lives.attempt(frame.attempt)
        if not attempt.record_frame(frame.seq):
            return
        message = self._assembler.feed(frame)
        if message is not None:
            try:
                self._apply(lives, attempt, message)
            except Exception as error:  # noqa: BLE001
                # A program can print lines that look like frames, which must not stop a reader.
                _log.info("invalid %s message of rank %d: %r", message.kind, message.rank, error)
        if attempt.stale:
            lives.arrange()
            self._changed(*(name for piece in lives.slices for name in piece.batch.metrics))

    def columns(self) -> dict[str, list[float]]:
        """Return rank, time, step and each metric as columns of one length, rank by rank; nan for missing values.

        A later attempt of a rank replaces what an earlier one reported from the first step of the later one on. If
        telemetry grows during the call, new rows may be left out.
        """
        names = list(self.names)
        table: dict[str, list[float]] = {"rank": [], "time": [], "step": [], **{name: [] for name in names}}
        for rank in sorted(self.ranks):
            for piece in list(self.ranks[rank].slices):
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
        return min((rank for rank, lives in self.ranks.items() if lives.slices), default=None)

    def recent(self, rank: int, window: float) -> list[tuple[float, float]]:
        """Return (time, step) of the last `window` seconds of reports of `rank`, oldest first.

        Of many reports `SAMPLES` evenly spaced ones are returned, including the last.
        """
        return _sample(self._batches(rank), window)

    def step(self, rank: int) -> int | None:
        """Return the step that `rank` reported last."""
        for batch in reversed(self._batches(rank)):
            if batch.lowest_step < math.inf:
                return next(int(step) for step in reversed(batch.step) if not math.isnan(step))
        return None

    def step_times(self, rank: int, window: float) -> list[float]:
        """Return the seconds per step between samples of the last `window` seconds of reports of `rank`.

        The result is cached for a second of reports: views request it for every rank, and often.
        """
        lives = self.ranks[rank]
        parts = lives.newest.parts()
        state = max(lives.attempts), len(parts) > 0, int(parts[-1].time[-1]) if parts and parts[-1].time else 0
        cached = self._step_times.get(rank)
        if cached is None or cached[0] != state:
            pairs = itertools.pairwise(_sample(parts, window))
            times = [(b - a) / (after - step) for (a, step), (b, after) in pairs if after > step and b >= a]
            cached = self._step_times[rank] = state, [time for time in times if math.isfinite(time)]
        return cached[1]

    def total(self, rank: int) -> int | None:
        """Return the total number of steps that `rank` reported last."""
        return next((batch.total for batch in reversed(self._batches(rank)) if batch.total is not None), None)

    def latest(self) -> dict[str, LatestValue]:
        """Return the current value of each metric over all ranks, in the order of the first report."""
        if self._latest is None or self._latest[0] != self.version:
            self._latest = self.version, latest_values(self.ranks, self.names)
        return self._latest[1]

    def usage(self, rank: int) -> node_usage.Usage | None:
        """Return the newest usage of the node whose first rank is `rank`; None if there is none."""
        newest = self.ranks[rank].newest.usage if rank in self.ranks else None
        return None if newest is None else newest[1]

    def first_started(self, since: float = 0.0) -> float | None:
        """Return when the first rank started, None if none has; attempts that ended before `since` do not count."""
        return min(self._starts(since), default=None)

    def all_started(self, since: float = 0.0) -> float | None:
        """Return when the last of all ranks started, None if one is missing."""
        starts = list(self._starts(since))
        return max(starts) if self.world and len(starts) >= self.world else None

    def ended(self) -> float | None:
        """Return when the last rank ended, None if none has."""
        ends = (lives.newest.ended for lives in self.ranks.values())
        return max((end for end in ends if end is not None), default=None)

    def errors(self) -> list[RankError]:
        """Return the exceptions of the ranks' newest attempts, the earliest first."""
        newest = [self._errors.get((rank, max(lives.attempts))) for rank, lives in self.ranks.items()]
        return sorted((error for error in newest if error is not None), key=lambda error: (error.time, error.rank))

    def past_errors(self) -> list[RankError]:
        """Return the exceptions of earlier attempts, the latest first."""
        past = [error for (rank, attempt), error in self._errors.items() if attempt < max(self.ranks[rank].attempts)]
        return sorted(past, key=lambda error: -error.time)

    def result(self, rank: int = 0) -> Message | None:
        """Return the newest message with the result of a rank, unverified."""
        return self._newest(self._results, rank)

    def raised(self, rank: int) -> Message | None:
        """Return the newest message with the exception of a rank, unverified."""
        return self._newest(self._raised, rank)

    def stalls(self) -> dict[int, messages.Stall]:
        """Return the stalls of ranks whose newest attempts make no progress, according to their last messages."""
        newest = {rank: self._stalls.get((rank, max(lives.attempts))) for rank, lives in self.ranks.items()}
        return {rank: stall[1] for rank, stall in newest.items() if stall is not None and stall[1]["stack"]}

    def solo(self) -> bool:
        """Whether a rank's newest attempt has reported that it has no process group with the others."""
        return any((rank, max(lives.attempts)) in self._solo for rank, lives in self.ranks.items())

    def unsent(self) -> dict[int, list[str]]:
        """Return the sentences on parts of results that ranks could not send, by rank, in their newest attempts."""
        newest = {rank: self._unsent.get((rank, max(lives.attempts)), []) for rank, lives in self.ranks.items()}
        return {rank: sentences for rank, sentences in sorted(newest.items()) if sentences}

    def thinned(self) -> bool:
        """Whether some reports are missing: frames are, or ranks dropped reports for lack of room."""
        return any(attempt.thinned for lives in self.ranks.values() for attempt in lives.attempts.values())

    def _newest(self, messages_by_rank: dict[int, Message], rank: int) -> Message | None:
        """Return a rank's message if it is from its newest attempt, else None."""
        message = messages_by_rank.get(rank)
        return message if message is not None and message.attempt == max(self.ranks[rank].attempts) else None

    def _apply(self, lives: RankAttempts, attempt: Attempt, message: Message) -> None:
        kind = message.kind
        if kind in (messages.RESULT, messages.RAISED):
            newest = self._results if kind == messages.RESULT else self._raised
            previous = newest.get(message.rank)
            if previous is None or message.attempt >= previous.attempt:
                newest[message.rank] = message
            return
        body = loads(message)
        if kind == messages.START:
            started, world = sanitize.moment(body["time"]), sanitize.world(body["world"])
            attempt.started, self.world = started, world
        elif kind == messages.END:
            attempt.ended = sanitize.moment(body["time"])
        elif kind == messages.ERROR:
            texts = {name: sanitize.text(body[name]) for name in ("type", "message", "where", "source", "traceback")}
            error = RankError(rank=message.rank, time=sanitize.moment(body["time"]), **texts)
            self._errors[message.rank, message.attempt] = error
        elif kind == messages.CHECKPOINT:
            checkpoint = Checkpoint(
                sanitize.count(body["count"]) or 0,
                sanitize.text(body["name"]),
                sanitize.count(body["step"]),
                sanitize.moment(body["time"]),
            )
            if self.checkpoint is None or checkpoint.time >= self.checkpoint.time:
                self.checkpoint = checkpoint
        elif kind in (messages.SOLO, messages.UNSENT):
            self._apply_warning(message, body)
        elif kind in (messages.USAGE, messages.STALL):
            self._apply_newest(attempt, message, body)
        elif kind == messages.METRICS:
            batch = Batch.from_message(body)
            lives.add(attempt, message.seq, batch)
            self._changed(*batch.metrics)
        elif kind == messages.HISTORY:
            attempt.checkpoint(message.seq, Batch.from_message(body))

    def _apply_warning(self, message: Message, body: Any) -> None:
        rank_attempt = message.rank, message.attempt
        if message.kind == messages.SOLO:
            self._solo.add(rank_attempt)
        else:
            sentences = [sanitize.text(sentence) for sentence in body["sentences"][:UNSENT_LIMIT]]
            self._unsent[rank_attempt] = sentences

    def _apply_newest(self, attempt: Attempt, message: Message, body: Any) -> None:
        """Apply a message that replaces the previous one of its kind."""
        rank_attempt = message.rank, message.attempt
        if message.kind == messages.STALL:
            if rank_attempt not in self._stalls or message.seq > self._stalls[rank_attempt][0]:
                self._stalls[rank_attempt] = message.seq, _stall(body)
        elif attempt.usage is None or message.seq > attempt.usage[0]:
            attempt.usage = message.seq, node_usage.parse_usage(body)

    def _changed(self, *names: str) -> None:
        self.version += 1
        self.names.update(dict.fromkeys(names, self.version))

    def _starts(self, since: float) -> Iterator[float]:
        for lives in self.ranks.values():
            started, ended = lives.newest.started, lives.newest.ended
            if started is not None and started >= since - SKEW and (ended is None or ended >= since):
                yield started

    def _batches(self, rank: int) -> list[Batch]:
        return self.ranks[rank].newest.parts()


def _stall(body: messages.Stall) -> messages.Stall:
    """Return a sanitized copy of a ``stall`` message."""
    return messages.Stall(
        time=sanitize.moment(body["time"]),
        quiet=sanitize.duration(body["quiet"]),
        where=sanitize.text(body["where"]),
        source=sanitize.text(body["source"]),
        stack=[
            (sanitize.text(file), sanitize.count(line) or 0, sanitize.text(name)) for file, line, name in body["stack"]
        ],
    )


def _sample(parts: list[Batch], window: float) -> list[tuple[float, float]]:
    """Return (time, step) of rows of the last `window` seconds, evenly spaced, including the last."""
    batches: list[Batch] = []
    start = -math.inf
    for batch in reversed(parts):
        if batch.lowest_step < math.inf:
            start = batch.time[-1] - window if not batches else start
            if batch.time[-1] < start:
                break
            batches.append(batch)
    batches.reverse()
    spans = [range(bisect_left(batch.time, start), len(batch)) for batch in batches]
    ends = list(itertools.accumulate(map(len, spans)))
    samples = []
    for index in _spread(range(ends[-1] if ends else 0)):
        batch_index = bisect_right(ends, index)
        row = spans[batch_index][index - ends[batch_index]]  # negative: from the end of its batch
        samples.append((batches[batch_index].time[row], batches[batch_index].step[row]))
    return [(time, step) for time, step in samples if not math.isnan(step)]


def _spread(indices: range) -> Iterable[int]:
    """Return at most `SAMPLES` evenly spaced indices, including the first and the last."""
    if len(indices) <= SAMPLES:
        return indices
    return (indices[(len(indices) - 1) * number // (SAMPLES - 1)] for number in range(SAMPLES))
