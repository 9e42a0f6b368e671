"""What the nodes of a job print, for those who watch and those who look something up.

Between the follower, which reads the pods' logs, and every view. Two ways in: `LogBook.after` has the newest lines as
they arrive, from memory and bounded, and says how many a flood washed away; `LogBook.page` has everything that the
history keeps, merged in the order of time, searched and filtered. A row that a program overwrites is one line: its last
text. `Line.row` names it, so that a view replaces what it shows of it.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.metrics import loglines
from jupyter_trainjob.metrics.history import Kept, Place

KEPT = 5_000
"""Lines that are held in memory, of all nodes together."""
ROWS = 1_000
"""Overwritten rows that are known again."""
PATTERN_LIMIT = 500
SEARCHED = 2_000
"""Characters of a line in which a pattern is looked for."""
ERRORS = re.compile(
    r"error|exception|traceback|\b(fatal|critical|panic|failed|failure|killed|aborted|segmentation fault)\b"
    r'|^ *File ".*", line \d+',
    re.IGNORECASE,
)
"""What a line that tells of an error looks like; ``labextension/src/core/log.ts`` knows it too."""
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Newest(Protocol):
    """Reads what is kept of the job, the newest line first: `History.newest`."""

    def __call__(self, *, before: Place | None, nodes: Collection[int] | None) -> Iterator[Kept]:
        """Yield lines of some nodes, before a place; None: of all, from the newest on."""


class Line(NamedTuple):
    """One line of a node. Numbers rise in the order of arrival."""

    number: int
    time: float
    node: int
    text: str
    place: Place
    """Where it stands among the lines of all nodes."""
    row: int | None = None
    """Of a row that the program overwrites: the number under which it was first known. Empty text takes it away."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """What has arrived since a number."""

    lines: list[Line]
    number: int
    """Ask with this the next time."""
    skipped: int
    """Lines before these that are not among them: too many came."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of everything that is kept, in the order of time."""

    lines: list[LogLine]
    before: str
    """Ask with this for the page before."""
    more: bool
    """Whether there is one."""


class LogBook:
    """The log of one job. Thread-safe."""

    def __init__(self, newest: Newest) -> None:
        self._newest = newest
        self._lock = threading.Lock()
        self._lines: OrderedDict[int, Line] = OrderedDict()
        self._rows: OrderedDict[tuple[str, str], Line] = OrderedDict()
        self._number = 0
        self._evicted = 0

    def load(self) -> dict[str, tuple[str, int]]:
        """Take over the newest lines that are kept; return the place of the last one of each pod."""
        last: dict[str, tuple[str, int]] = {}
        for pod, node, line in reversed(list(itertools.islice(self._newest(before=None, nodes=None), KEPT))):
            last[pod] = line.place
            self.add(pod, node, line)
        return last

    def add(self, pod: str, node: int, line: loglines.Line) -> LogLine:
        """Take over a line that has arrived."""
        text = _text(line)
        with self._lock:
            self._number += 1
            row = None
            if line.row:
                known = self._rows.pop((pod, line.row), None)
                row = self._number if known is None else known.row
                if known is not None:
                    self._lines.pop(known.number, None)
            new = Line(self._number, line.time, node, text, (*line.place, pod), row)
            self._lines[new.number] = new
            if line.row:
                self._rows[pod, line.row] = new
                if len(self._rows) > ROWS:
                    self._rows.popitem(last=False)
            if len(self._lines) > KEPT:
                self._evicted, _ = self._lines.popitem(last=False)
        return LogLine(new.time, node, text)

    @property
    def number(self) -> int:
        """Return the number of the line that arrived last."""
        return self._number

    def after(self, number: int | None, *, limit: int) -> Fresh:
        """Return what arrived after `number`, at most the `limit` newest lines, in the order of arrival.

        None is for who begins: the newest lines, and nothing is skipped, since `page` has what was before them.
        """
        with self._lock:
            new = list(itertools.takewhile(lambda line: line.number > (number or 0), reversed(self._lines.values())))
            last, evicted = self._number, self._evicted
        if number is None:
            return Fresh([line for line in new if not line.row or line.text][:limit][::-1], last, 0)
        return Fresh(new[:limit][::-1], last, max(0, evicted - number) + max(0, len(new) - limit))

    def tail(self, limit: int) -> list[LogLine]:
        """Return the newest lines in the order of time."""
        with self._lock:
            lines = [line for line in self._lines.values() if not line.row or line.text]
        lines.sort(key=lambda line: line.place)
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
    ) -> Page:
        """Return the newest kept lines before a place: of some nodes, those that match, those that tell of errors.

        `before` is `Page.before`, or `cursor` of a line. Upper and lower case are the same. Raises `errors.UsageError`
        for a place or a regular expression that is none.
        """
        found = list(itertools.islice(self._find(before, nodes, pattern, regex, errors_only), limit + 1))
        more = len(found) > limit
        found = found[:limit]
        if not found:
            return Page([], before or "", more=False)
        pod, _, oldest = found[-1]
        lines = [log_line(node, line) for _, node, line in reversed(found)]
        return Page(lines, cursor((*oldest.place, pod)), more)

    def count(
        self,
        *,
        nodes: Collection[int] | None = None,
        pattern: str | None = None,
        regex: bool = False,
        errors_only: bool = False,
    ) -> int:
        """Return how many kept lines there are of this kind. Raises as `page`."""
        return sum(1 for _ in self._find(None, nodes, pattern, regex, errors_only))

    def _find(
        self, before: str | None, nodes: Collection[int] | None, pattern: str | None, regex: bool, errors_only: bool
    ) -> Iterator[Kept]:
        chosen = wanted(pattern, regex=regex, errors_only=errors_only)
        for kept in self._newest(before=_place(before) if before else None, nodes=nodes):
            if chosen(_text(kept[2])):
                yield kept


def wanted(pattern: str | None = None, *, regex: bool = False, errors_only: bool = False) -> Callable[[str], bool]:
    """Return what tells the lines that match, and tell of errors, from others; upper and lower case are the same.

    Raises `errors.UsageError` for a regular expression that is none.
    """
    each = [*([_compiled(pattern, regex=regex)] if pattern else []), *([ERRORS] if errors_only else [])]

    def chosen(text: str) -> bool:
        plain = _ESCAPES.sub("", text)[:SEARCHED] if each else ""
        return all(expression.search(plain) for expression in each)

    return chosen


def log_line(node: int, line: loglines.Line) -> LogLine:
    """Return a line that was read, as views show it."""
    return LogLine(line.time, node, _text(line))


def cursor(place: Place) -> str:
    """Return a place as a front end keeps it."""
    return " ".join(map(str, place))


def _place(before: str) -> Place:
    stamp, _, rest = before.partition(" ")
    number, _, pod = rest.partition(" ")
    if not number.isdecimal() or not pod:
        raise errors.UsageError(f"{before!r} is no place in a log: take `before` of the page that came last.")
    return stamp, int(number), pod


def _compiled(pattern: str, *, regex: bool) -> re.Pattern[str]:
    if len(pattern) > PATTERN_LIMIT:
        raise errors.UsageError(f"What is searched for has {len(pattern)} characters; at most {PATTERN_LIMIT} can.")
    try:
        return re.compile(pattern if regex else re.escape(pattern), re.IGNORECASE)
    except re.error as error:
        raise errors.UsageError(f"{pattern!r} is no regular expression: {error}.") from error


def _text(line: loglines.Line) -> str:
    return line.text.decode(errors="replace")
