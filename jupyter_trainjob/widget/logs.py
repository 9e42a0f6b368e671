"""The log on its way to the widget: what is new, at a pace that a comm and a page can bear, and pages of what was.

Between a `Source` and the messages of its feed. A flood is thinned to its newest lines and says how many are left out;
they can be had by pages. Text keeps its colours (SGR sequences), which the page draws; every other control goes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.logbook import Line, cursor
from jupyter_trainjob.widget.source import Answer, Source

FIRST_LINES = 500
"""Lines that a page gets when it opens; the ones before come by pages."""
MAX_LINES = 2_000
"""Lines of one answer or message."""
MAX_TEXT = 4_000
ROW_BYTES = 40
"""What a line takes besides its text."""
BURST_BYTES = 250_000
BYTES_PER_SECOND = 80_000
_CONTROLS = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links (OSC)
    r"|\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]?"  # all but colours (CSI)
    r"|\x1b(?!\[).?|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"  # the direction of text, and what is none
)


class LogFeed:
    """The live part of one job's log for one front end."""

    def __init__(self, job: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._number = 0
        self._room = float(BURST_BYTES)
        self._since = clock()

    def news(self) -> bool:
        """Whether there is something to tell."""
        return self._job.logbook().number != self._number

    def tell(self, *, whole: bool) -> tuple[dict[str, Any], int]:
        """Return a message with what is new, and about how many bytes it has.

        With `whole` it is one that a front end can begin with; what was before comes by pages.
        """
        now = self._clock()
        self._room = min(BURST_BYTES, self._room + (now - self._since) * BYTES_PER_SECOND)
        self._since = now
        fresh = self._job.logbook().after(None if whole else self._number, limit=FIRST_LINES if whole else MAX_LINES)
        self._number = fresh.number
        rows: list[list[Any]] = []
        size = 0
        first: Line | None = None
        for line in reversed(fresh.lines):
            text = shown(line.text)
            if rows and size + len(text) > self._room:
                break
            size += len(text) + ROW_BYTES
            first = line
            rows.append([line.number, line.time, line.node, text, *([] if line.row is None else [line.row])])
        self._room -= size
        skipped = 0 if whole else fresh.skipped + len(fresh.lines) - len(rows)
        before = None if first is None else cursor(first.place)
        return {"skipped": skipped, "before": before, "lines": rows[::-1]}, size


def page(job: Source, arguments: Mapping[str, Any]) -> Answer:
    """Answer a request for kept lines: the newest before a place, as they match; with `limit` 0, how many match."""
    wanted: dict[str, Any] = {
        "nodes": _nodes(arguments.get("nodes")),
        "pattern": _text(arguments.get("pattern")),
        "regex": arguments.get("regex") is True,
        "errors_only": arguments.get("errors") is True,
    }
    limit = arguments.get("limit")
    if not isinstance(limit, int) or limit < 0:
        raise errors.UsageError(f"{limit!r} is no number of lines.")
    if limit == 0:
        return {"lines": [], "before": None, "more": False, "found": job.logbook().count(**wanted)}, []
    found = job.logbook().page(before=_text(arguments.get("before")), limit=min(limit, MAX_LINES), **wanted)
    lines = [[0, line.time, line.rank, shown(line.text)] for line in found.lines]
    return {"lines": lines, "before": found.before, "more": found.more}, []


def shown(text: str) -> str:
    """Return a line as a page gets it: bounded, with colours, without any other control."""
    clean = _CONTROLS.sub("", text)
    if len(clean) <= MAX_TEXT:
        return clean
    return f"{clean[:MAX_TEXT]}\x1b[0m … {len(clean) - MAX_TEXT:,} more characters"


def _nodes(given: Any) -> frozenset[int] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(node, int) for node in given):
        raise errors.UsageError(f"{given!r} are no nodes: give a list of their numbers, or null for all.")
    return frozenset(given)


def _text(given: Any) -> str | None:
    if given is not None and not isinstance(given, str):
        raise errors.UsageError(f"{given!r} is no text.")
    return given or None
