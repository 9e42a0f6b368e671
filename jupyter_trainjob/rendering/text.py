"""A job as plain text: for terminals and ``text/plain``.

Strings of pods and clusters are sanitized: they can neither move a cursor nor imitate other text. Numbers have the same
format as in ``labextension/src/core/format.ts``; ``labextension/test/formats.json`` tests both.
"""

from __future__ import annotations

import math
import re
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, EMBEDDED_LOCATION
from jupyter_trainjob.rendering.job_source import JobSource

LIVE = frozenset({State.QUEUED, State.STARTING, State.RUNNING})
"""States in which a job's duration grows."""
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
"""Maximum characters of a traceback."""
_METRICS_IN_A_LINE = 3
_MAX_LINE = 1_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_]?)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control and direction characters, and what is invalid in UTF-8 or XML."""


def sanitize(text: str) -> str:
    r"""Return `text` without terminal escapes, control and direction characters; tabs and line ends stay.

    >>> sanitize("\x1b[31mred\x1b[0m")
    'red'
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def format_value(number: float) -> str:
    """Format a metric's value with four significant digits.

    >>> format_value(0.184), format_value(12345.6), format_value(2e-5)
    ('0.1840', '12,346', '2.00e-5')
    """
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


def format_percent(share: float) -> str:
    """Format a share, from 0 to 1, as whole percent, rounded down so that 100 % means complete.

    >>> format_percent(0.999)
    '99 %'
    """
    return f"{math.floor(share * 100 + 1e-9)} %"


def format_duration(seconds: float) -> str:
    """Format a duration in seconds.

    >>> [format_duration(seconds) for seconds in (0.3, 41, 106, 3723)]
    ['0.3 s', '41 s', '1:46', '1:02:03']
    """
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{_round(seconds)} s" if seconds < 59.5 else format_clock(seconds)


def format_clock(seconds: float) -> str:
    """Format a duration in seconds as minutes and seconds, or hours, minutes and seconds.

    >>> format_clock(41), format_clock(3723)
    ('0:41', '1:02:03')
    """
    whole = max(0, _round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def location(context: str) -> str:
    """Return the name of a context for display."""
    return EMBEDDED_LOCATION if context == EMBEDDED_CONTEXT else context


def fact_list(snapshot: Snapshot) -> list[str]:
    """Return the number of nodes, the attempt, the runtime and the cluster, each as a phrase."""
    nodes = f"{snapshot.nodes:,} node{'' if snapshot.nodes == 1 else 's'}"
    if snapshot.state in LIVE and 0 < snapshot.nodes_done < snapshot.nodes:
        nodes = f"{snapshot.nodes_done:,} of {nodes} done, {snapshot.ranks_running:,} running"
    elif snapshot.state is State.STARTING and snapshot.ranks_running < snapshot.nodes:
        nodes = f"{snapshot.ranks_running:,} of {nodes} running"
    elif snapshot.procs_per_node > 1:
        nodes = f"{nodes}, {snapshot.procs_per_node:,} processes each"
    attempt = f"attempt {snapshot.restarts + 1:,}" if snapshot.restarts else ""
    return [fact for fact in (nodes, attempt, sanitize(snapshot.runtime), location(sanitize(snapshot.context))) if fact]


def handle_expression(snapshot: Snapshot) -> str:
    """Return the Python expression for the job's handle: the notebook's variable if it holds the job, else `get(…)`."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    variable = shell.user_ns.get(snapshot.variable) if shell is not None and snapshot.variable else None
    if variable is not None and getattr(variable, "uid", "") == snapshot.uid:
        return snapshot.variable
    return f'get("{sanitize(snapshot.name)}")'


def python_hint(snapshot: Snapshot) -> str:
    """Return a phrase with the Python expression for the job."""
    return f"in Python: {handle_expression(snapshot)}"


def progress_parts(snapshot: Snapshot) -> list[str]:
    """Return percent and time left, or the step if the total is unknown; for a finished job its duration."""
    took = "" if snapshot.finished is None else format_duration(snapshot.finished - snapshot.created)
    share = snapshot.progress
    if snapshot.state is State.COMPLETE:
        return [f"took {took}"] if took else []
    parts = []
    if share is not None:
        parts.append(format_percent(share))
    elif snapshot.step is not None:
        parts.append(f"step {snapshot.step:,}")
    if snapshot.state is State.FAILED and took:
        parts.append(f"after {took}")
    elif snapshot.state is State.RUNNING and share is not None and snapshot.eta is not None:
        parts.append(f"{format_clock(snapshot.eta)} left")
    return parts


def summary_line(snapshot: Snapshot) -> str:
    """Return one line with the job's state, name, reason, progress and metrics."""
    parts = [f"{GLYPHS[snapshot.state]} {snapshot.state.value} {sanitize(snapshot.name)}"]
    if snapshot.failure is not None:
        parts.append(_first_line(snapshot.failure.headline))
        parts += [rank] if (rank := blamed_rank(snapshot.failure)) else []
    elif snapshot.reason:
        parts.append(_first_line(snapshot.reason))
    parts += progress_parts(snapshot)
    if snapshot.state is not State.FAILED:
        parts += [
            f"{sanitize(name)} {format_value(last)}"
            for name, last in list(snapshot.metrics.items())[:_METRICS_IN_A_LINE]
        ]
    return " · ".join(parts)


def summary(snapshot: Snapshot, *, now: float | None = None, traceback: bool = True) -> str:
    """Return several lines about the job; of a long traceback the end is shown.

    `now` is the time in seconds since 1970, for the duration of the last phase.
    """
    lines = [summary_line(snapshot), "  " + " · ".join([*fact_list(snapshot), python_hint(snapshot)])]
    phases = [
        sanitize(name) if seconds is None else f"{sanitize(name)} {format_duration(seconds)}"
        for name, seconds in phase_durations(snapshot, now=now)
    ]
    if phases:
        lines.append("  " + " → ".join(phases))
    spread = [
        f"{sanitize(name)} from {format_value(low)} to {format_value(high)}"
        for name, (low, high) in list(snapshot.ranges.items())[:_METRICS_IN_A_LINE]
        if format_value(low) != format_value(high)
    ]
    lines += [f"  {sanitize(warning[:_MAX_LINE])}" for warning in snapshot.warnings]
    if spread:
        lines.append(f"  over ranks: {' · '.join(spread)}")
    if snapshot.checkpoint is not None:
        lines.append(f"  checkpoint {sanitize(snapshot.checkpoint.name[:_MAX_LINE])}")
    failure = snapshot.failure
    if failure is not None:
        if failure.first:
            lines.append(f"  {sanitize(failure.first[:_MAX_LINE])}")
        if failure.where:
            lines.append(
                f"  {sanitize(failure.where[:_MAX_LINE])}: {sanitize(failure.source[:_MAX_LINE]).strip()}".rstrip(": ")
            )
        if failure.remedy:
            lines.append(f"  {sanitize(failure.remedy[:_MAX_LINE])}")
        if traceback and failure.traceback:
            lines += ["", _end(sanitize(failure.traceback).rstrip(), MAX_TRACEBACK)]
    return "\n".join(lines)


def phase_durations(snapshot: Snapshot, *, now: float | None = None) -> list[tuple[str, float | None]]:
    """Return the names of the phases with their durations in seconds; None if the end of one is unknown.

    The last phase of a running job lasts until `now`, in seconds since 1970 (default: the current time).
    """
    durations: list[tuple[str, float | None]] = []
    for phase in snapshot.phases:
        end = phase.ended if phase.ended is not None else snapshot.finished
        if end is None and snapshot.state in LIVE:
            end = time.time() if now is None else now
        durations.append((phase.name, None if end is None else max(0.0, end - phase.started)))
    return durations


def blamed_rank(failure: Failure) -> str:
    """Return the failed rank, or the empty string if the headline names it."""
    rank = "" if failure.rank is None else f"rank {failure.rank}"
    return "" if rank in failure.headline else rank


def _round(number: float) -> int:
    """Round half up, as JavaScript does."""
    return math.floor(number + 0.5)


def _first_line(text: str) -> str:
    return sanitize(text[:_MAX_LINE]).strip().split("\n", 1)[0]


def _end(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"…{text[-limit:]}"


class Ticker:
    """Prints each change of a job's state, and a line of progress every `interval` seconds.

    It prints on the thread that calls the job's subscribers, between `__enter__` and `__exit__`::

        with Ticker(job):
            job.wait()
    """

    def __init__(
        self,
        job: JobSource,
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
        """Print the summary line if the state changed, the interval has passed, or this is the `last` call."""
        snapshot = self._job.snapshot()
        with self._lock:
            now = self._clock()
            text, changed = summary_line(snapshot), snapshot.state is not self._state
            if text == self._line or not (changed or last or now - self._printed_at >= self._interval):
                return
            self._state, self._line, self._printed_at = snapshot.state, text, now
            self._write(text)
