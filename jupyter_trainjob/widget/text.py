"""A job in words: for terminals, ``text/plain`` and everything else that draws nothing.

Comes in a `Snapshot`, goes out text without control characters: what pods write cannot move a cursor or pose as
something else. Numbers are written as ``labextension/src/core/format.ts`` writes them; one table of cases holds both.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from types import TracebackType

from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.widget.source import Source

LIVE = frozenset({State.QUEUED, State.STARTING, State.RUNNING})
"""States in which time passes for a job."""
GLYPHS = {
    State.QUEUED: "◌",
    State.STARTING: "◐",
    State.RUNNING: "◐",
    State.STOPPED: "■",
    State.SUSPENDED: "‖",
    State.COMPLETE: "✓",
    State.FAILED: "✕",
    State.DELETED: "–",
}
MAX_TRACEBACK = 8_000
"""Characters of a traceback."""
_METRICS_IN_A_LINE = 3
_LINE = 1_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]?)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""And what neither UTF-8 nor XML can hold."""


def clean(text: str) -> str:
    """Return `text` without terminal escapes, control and direction characters, but with its tabs and line ends."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def value(number: float) -> str:
    """Return a metric's value in four significant digits."""
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    size = abs(number)
    if number == int(number) and size < 1e6:
        return f"{int(number):,}"
    if size >= 1e6 or size < 1e-3:
        mantissa, exponent = f"{number:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if size >= 1000:
        return f"{_round(number):,}"
    return f"{number:#.4g}".rstrip(".")


def percent(share: float) -> str:
    """Return a share as whole percent, rounded down: 100 % is reached at the end only."""
    return f"{math.floor(share * 100 + 1e-9)} %"


def duration(seconds: float) -> str:
    """Return a length of time: ``0.3 s``, ``41 s``, ``1:46``, ``1:02:03``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{_round(seconds)} s" if seconds < 59.5 else clock(seconds)


def clock(seconds: float) -> str:
    """Return a time left or passed as a clock shows it: ``0:41``, ``1:02:03``."""
    whole = max(0, _round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def place(context: str) -> str:
    """Return where a job runs, in words."""
    return "this computer" if context == EMBEDDED_CONTEXT else context


def facts(snapshot: Snapshot) -> list[str]:
    """Return how big it is, what it runs and where."""
    nodes = f"{snapshot.nodes:,} node{'' if snapshot.nodes == 1 else 's'}"
    if snapshot.state is State.STARTING and snapshot.ranks_running < snapshot.nodes:
        nodes = f"{snapshot.ranks_running:,} of {nodes} running"
    return [fact for fact in (nodes, clean(snapshot.runtime), place(clean(snapshot.context))) if fact]


def how_far(snapshot: Snapshot) -> list[str]:
    """Return how far it is: percent and time left, steps where no total is known, the whole time at the end."""
    took = "" if snapshot.finished is None else duration(snapshot.finished - snapshot.created)
    share = snapshot.progress
    if snapshot.state is State.COMPLETE:
        return [f"took {took}"] if took else []
    parts = []
    if share is not None:
        parts.append(percent(share))
    elif snapshot.step is not None:
        parts.append(f"step {snapshot.step:,}")
    if snapshot.state is State.FAILED and took:
        parts.append(f"after {took}")
    elif snapshot.state is State.RUNNING and share is not None and snapshot.eta is not None:
        parts.append(f"{clock(snapshot.eta)} left")
    return parts


def line(snapshot: Snapshot) -> str:
    """Return the job in one line."""
    parts = [f"{GLYPHS[snapshot.state]} {snapshot.state.value} {clean(snapshot.name)}"]
    if snapshot.failure is not None:
        parts.append(_first_line(snapshot.failure.headline))
        parts += [who] if (who := blamed(snapshot.failure)) else []
    elif snapshot.reason:
        parts.append(_first_line(snapshot.reason))
    parts += how_far(snapshot)
    if snapshot.state is not State.FAILED:
        parts += [f"{clean(name)} {value(last)}" for name, last in list(snapshot.metrics.items())[:_METRICS_IN_A_LINE]]
    return " · ".join(parts)


def block(snapshot: Snapshot, *, now: float | None = None, traceback: bool = True) -> str:
    """Return the job in several lines, a long traceback by its end."""
    lines = [line(snapshot), "  " + " · ".join(facts(snapshot))]
    phases = [
        clean(name) if seconds is None else f"{clean(name)} {duration(seconds)}"
        for name, seconds in lengths(snapshot, now=now)
    ]
    if phases:
        lines.append("  " + " → ".join(phases))
    if snapshot.checkpoint is not None:
        lines.append(f"  checkpoint {clean(snapshot.checkpoint.name[:_LINE])}")
    failure = snapshot.failure
    if failure is not None:
        if failure.first:
            lines.append(f"  {clean(failure.first[:_LINE])}")
        if failure.where:
            lines.append(f"  {clean(failure.where[:_LINE])}: {clean(failure.source[:_LINE]).strip()}".rstrip(": "))
        if failure.remedy:
            lines.append(f"  {clean(failure.remedy[:_LINE])}")
        if traceback and failure.traceback:
            lines += ["", _end(clean(failure.traceback).rstrip(), MAX_TRACEBACK)]
    return "\n".join(lines)


def lengths(snapshot: Snapshot, *, now: float | None = None) -> list[tuple[str, float | None]]:
    """Return the phases with their lengths in seconds; None where nobody wrote down when one ended.

    The open phase lasts until the job's end, or until `now`.
    """
    found: list[tuple[str, float | None]] = []
    for phase in snapshot.phases:
        end = phase.ended if phase.ended is not None else snapshot.finished
        if end is None and snapshot.state in LIVE:
            end = time.time() if now is None else now
        found.append((phase.name, None if end is None else max(0.0, end - phase.started)))
    return found


def blamed(failure: Failure) -> str:
    """Return the rank to blame, unless the headline names it."""
    rank = "" if failure.rank is None else f"rank {failure.rank}"
    return "" if rank in failure.headline else rank


def _round(number: float) -> int:
    """Round half up, as JavaScript does."""
    return math.floor(number + 0.5)


def _first_line(text: str) -> str:
    return clean(text[:_LINE]).strip().split("\n", 1)[0]


def _end(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"…{text[-limit:]}"


class Ticker:
    """Prints a job's life while somebody waits: each change of state, and a line of progress now and then.

    Prints from the thread that the source calls back from, between `__enter__` and `__exit__`::

        with Ticker(job):
            job.wait()
    """

    def __init__(
        self,
        job: Source,
        *,
        write: Callable[[str], object] = print,
        interval: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._write = write
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._state: State | None = None
        self._line = ""
        self._printed_at = -math.inf
        self._unsubscribe: Callable[[], None] | None = None

    def __enter__(self) -> Ticker:
        self.tick()
        self._unsubscribe = self._job.subscribe(self.tick)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self.tick(last=True)

    def tick(self, *, last: bool = False) -> None:
        """Print what is worth printing now."""
        snapshot = self._job.snapshot()
        with self._lock:
            now = self._clock()
            said, changed = line(snapshot), snapshot.state is not self._state
            if said == self._line or not (changed or last or now - self._printed_at >= self._interval):
                return
            self._state, self._line, self._printed_at = snapshot.state, said, now
            self._write(said)
