"""The newest lines of a job's log, for views that follow it and for searches.

`LogBuffer.after` returns the newest lines as they arrive, from bounded memory, with the number of lines that were
skipped. `LogBuffer.page` returns lines of the history, merged in the order of time, searched and filtered. A row that a
program overwrites is one line with its last text; `BufferedLine.row` identifies it, so that a view can replace it.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.metrics import log_lines
from jupyter_trainjob.metrics.history import LinePosition, StoredLine

MAX_LINES_IN_MEMORY = 5_000
"""Lines in memory, of all nodes together."""
MAX_ROWS = 1_000
"""Overwritten rows whose later lines replace earlier ones."""
MAX_PATTERN_LENGTH = 500
"""Characters."""
MAX_SEARCHED_CHARACTERS = 2_000
"""Characters at the start of a line that are searched for a pattern."""
CONTEXT_LINES = 100
"""Lines before and after a match that are returned with it."""
ERROR_PATTERN = re.compile(
    r"error|exception|traceback|\b(fatal|critical|panic|failed|failure|killed|aborted|segmentation fault)\b"
    r'|^ *File ".*", line \d+',
    re.IGNORECASE,
)
"""Matches lines that report an error; keep in sync with ``labextension/src/core/log/logLines.ts``."""
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class NewestLines(Protocol):
    """Reads the stored lines of the job, newest first: `History.newest`."""

    def __call__(self, *, before: LinePosition | None, nodes: Collection[int] | None) -> Iterator[StoredLine]:
        """Yield stored lines before a position (None: all), of some nodes (None: all), the newest first."""


class BufferedLine(NamedTuple):
    """One line of a node. Numbers increase in the order of arrival."""

    number: int
    time: float
    node: int
    text: str
    position: LinePosition
    """Its position among the lines of all nodes."""
    row: int | None = None
    """For a row that the program overwrites: the number of its first line. Empty text removes the row."""


@dataclass(frozen=True, slots=True)
class NewLines:
    """Lines that arrived since a number."""

    lines: list[BufferedLine]
    number: int
    """Pass this to the next call of `after`."""
    skipped: int
    """Number of lines before these that are left out since too many arrived."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of stored lines, in the order of time."""

    lines: list[LogLine]
    before: str
    """Cursor for the page before."""
    more: bool
    """Whether there is an earlier page."""


@dataclass(frozen=True, slots=True)
class LogMatch:
    """A line that matches, with the lines around it."""

    lines: list[LogLine]
    """In the order of time."""
    index: int
    """Index of the matching line in `lines`."""
    before: str
    """Cursor for the page before these lines."""
    more: bool
    """Whether there is an earlier page."""
    skipped: int
    """Number of lines between these and the start of the search."""


class LogBuffer:
    """The log of one job. Thread-safe."""

    def __init__(self, newest: NewestLines) -> None:
        self._newest = newest
        self._lock = threading.Lock()
        self._lines: OrderedDict[int, BufferedLine] = OrderedDict()
        self._rows: OrderedDict[tuple[str, str], BufferedLine] = OrderedDict()
        self._number = 0
        self._evicted = 0

    def load(self) -> dict[str, tuple[str, int]]:
        """Add the newest stored lines; return the position of the last line of each pod."""
        last: dict[str, tuple[str, int]] = {}
        for pod, node, line in reversed(
            list(itertools.islice(self._newest(before=None, nodes=None), MAX_LINES_IN_MEMORY))
        ):
            last[pod] = line.position
            self.add(pod, node, line)
        return last

    def add(self, pod: str, node: int, line: log_lines.PodLogLine) -> LogLine:
        """Add a line that has arrived; return it as views show it."""
        text = _decode_text(line)
        with self._lock:
            self._number += 1
            row = None
            if line.row:
                known = self._rows.pop((pod, line.row), None)
                row = self._number if known is None else known.row
                if known is not None:
                    self._lines.pop(known.number, None)
            new = BufferedLine(self._number, line.time, node, text, (*line.position, pod), row)
            self._lines[new.number] = new
            if line.row:
                self._rows[pod, line.row] = new
                if len(self._rows) > MAX_ROWS:
                    self._rows.popitem(last=False)
            if len(self._lines) > MAX_LINES_IN_MEMORY:
                self._evicted, _ = self._lines.popitem(last=False)
        return LogLine(new.time, node, text)

    @property
    def number(self) -> int:
        """Return the number of the line that arrived last."""
        return self._number

    def after(self, number: int | None, *, limit: int) -> NewLines:
        """Return the lines that arrived after `number`, at most the `limit` newest, in the order of arrival.

        With None, return the newest lines and count none as skipped, since `page` returns those before them.
        """
        with self._lock:
            new = list(itertools.takewhile(lambda line: line.number > (number or 0), reversed(self._lines.values())))
            last, evicted = self._number, self._evicted
        if number is None:
            return NewLines([line for line in new if not line.row or line.text][:limit][::-1], last, 0)
        return NewLines(new[:limit][::-1], last, max(0, evicted - number) + max(0, len(new) - limit))

    def tail(self, limit: int) -> list[LogLine]:
        """Return the newest lines in the order of time."""
        with self._lock:
            lines = [line for line in self._lines.values() if not line.row or line.text]
        lines.sort(key=lambda line: line.position)
        return [LogLine(line.time, line.node, line.text) for line in lines[-limit:]]

    def page(
        self,
        *,
        before: str | None = None,
        nodes: Collection[int] | None = None,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
        limit: int = 500,
    ) -> LogPage:
        """Return the newest saved lines before a cursor, filtered by node, by pattern and by `ERROR_PATTERN`.

        `before` is `LogPage.before`, or `format_cursor` of a line's position. Patterns ignore case. Raises
        `errors.UsageError` for an invalid cursor or regular expression.
        """
        matching = list(itertools.islice(self._matching_lines(before, nodes, pattern, regex, errors_only), limit + 1))
        more = len(matching) > limit
        matching = matching[:limit]
        if not matching:
            return LogPage([], before or "", more=False)
        pod, _, oldest = matching[-1]
        lines = [to_log_line(node, line) for _, node, line in reversed(matching)]
        return LogPage(lines, format_cursor((*oldest.position, pod)), more)

    def count(
        self,
        *,
        before: str | None = None,
        nodes: Collection[int] | None = None,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
    ) -> int:
        """Return the number of stored lines that `page` would return without a limit. Raises as `page`."""
        return sum(1 for _ in self._matching_lines(before, nodes, pattern, regex, errors_only))

    def find_match(
        self,
        *,
        before: str | None = None,
        since: float | None = None,
        oldest: bool = False,
        nodes: Collection[int] | None = None,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
    ) -> LogMatch | None:
        """Return the newest (or `oldest`) matching line before a cursor with its context; None if there is none.

        `since` is a unix time: lines up to it are not searched. The context is at most `CONTEXT_LINES` lines on each
        side, whether they match or not. Raises as `page`.
        """
        matches = line_filter(pattern, regex=regex, errors_only=errors_only)
        newer: deque[StoredLine] = deque(maxlen=CONTEXT_LINES)
        stored: list[StoredLine] = []
        index = skipped = rest = 0
        more = False
        for number, entry in enumerate(self._newest(before=_parse_cursor(before) if before else None, nodes=None)):
            _, node, line = entry
            if since is not None and line.time <= since:
                break
            if (oldest or not stored) and (nodes is None or node in nodes) and matches(_decode_text(line)):
                index, skipped, rest, more = len(newer), number - len(newer), CONTEXT_LINES, False
                stored = [*newer, entry]
            elif stored and rest > 0:
                stored.append(entry)
                rest -= 1
            elif stored:
                more = True
                if not oldest:
                    break
            newer.append(entry)
        if not stored:
            return None
        pod, _, first = stored[-1]
        lines = [to_log_line(node, line) for _, node, line in reversed(stored)]
        return LogMatch(lines, len(stored) - 1 - index, format_cursor((*first.position, pod)), more, skipped)

    def _matching_lines(
        self, before: str | None, nodes: Collection[int] | None, pattern: str | None, regex: bool, errors_only: bool
    ) -> Iterator[StoredLine]:
        matches = line_filter(pattern, regex=regex, errors_only=errors_only)
        for entry in self._newest(before=_parse_cursor(before) if before else None, nodes=nodes):
            if matches(_decode_text(entry[2])):
                yield entry


def line_filter(pattern: str | None = None, *, regex: bool = False, errors_only: bool = False) -> Callable[[str], bool]:
    """Return a predicate for text that matches `pattern` and, with `errors_only`, `ERROR_PATTERN`; both ignore case.

    Terminal escape sequences are ignored. Raises `errors.UsageError` for an invalid regular expression.

    >>> matches = line_filter("Loss")
    >>> matches("step 1: loss 0.5"), matches("step 1")
    (True, False)
    """
    expressions = [
        *([_compile_pattern(pattern, regex=regex)] if pattern else []),
        *([ERROR_PATTERN] if errors_only else []),
    ]

    def matches(text: str) -> bool:
        plain = _ESCAPES.sub("", text)[:MAX_SEARCHED_CHARACTERS] if expressions else ""
        return all(expression.search(plain) for expression in expressions)

    return matches


def to_log_line(node: int, line: log_lines.PodLogLine) -> LogLine:
    """Return a line of a pod's log as views show it."""
    return LogLine(line.time, node, _decode_text(line))


def format_cursor(position: LinePosition) -> str:
    """Return a position as a string that `LogBuffer` accepts as `before`."""
    return " ".join(map(str, position))


def _parse_cursor(before: str) -> LinePosition:
    stamp, _, rest = before.partition(" ")
    number, _, pod = rest.partition(" ")
    if not number.isdecimal() or not pod:
        raise errors.UsageError(f"{before!r} is not a log cursor: pass `before` of the last page.")
    return stamp, int(number), pod


def _compile_pattern(pattern: str, *, regex: bool) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise errors.UsageError(f"The pattern has {len(pattern)} characters; the limit is {MAX_PATTERN_LENGTH}.")
    try:
        return re.compile(pattern if regex else re.escape(pattern), re.IGNORECASE)
    except re.error as error:
        raise errors.UsageError(f"{pattern!r} is not a valid regular expression: {error}.") from error


def _decode_text(line: log_lines.PodLogLine) -> str:
    return line.text.decode(errors="replace")
