"""Send new log lines at a bounded rate, and pages of older lines on request.

Of a burst that exceeds the rate, the newest lines are sent with the number of the skipped ones, which the front end can
read by pages. Text keeps its colours (SGR sequences), which the front end draws; other control sequences are removed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.client.watching.log_buffer import BufferedLine, format_cursor
from jupyter_trainjob.rendering.job_source import Answer, JobSource

FIRST_LINES = 500
"""Lines in the first message; the front end reads older ones by pages."""
MAX_LINES = 2_000
"""Maximum lines of one answer or message."""
MAX_TEXT = 4_000
"""Maximum characters of a line."""
ROW_BYTES = 40
"""Estimated bytes of a line in a message besides its text."""
BURST_BYTES = 250_000
BYTES_PER_SECOND = 80_000
_CONTROLS = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles and links
    r"|\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]?"  # all CSI sequences except colours
    r"|\x1b(?!\[).?|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"  # bidirectional controls; invalid in UTF-8 or XML
)


class LogFeed:
    """Messages with the new log lines of one job, for one front end, limited by a token bucket."""

    def __init__(self, job: JobSource, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._last_number = 0
        self._available = float(BURST_BYTES)
        self._refilled_at = clock()

    def has_new_lines(self) -> bool:
        """Whether lines have been added since the last message."""
        return self._job.log_buffer().number != self._last_number

    def next_message(self, *, whole: bool) -> tuple[dict[str, Any], int]:
        """Return a message with the new lines, and its approximate size in bytes.

        With `whole` it has the last `FIRST_LINES` lines, old or new, for a front end that has none.
        """
        now = self._clock()
        self._available = min(BURST_BYTES, self._available + (now - self._refilled_at) * BYTES_PER_SECOND)
        self._refilled_at = now
        last, limit = (None, FIRST_LINES) if whole else (self._last_number, MAX_LINES)
        new = self._job.log_buffer().after(last, limit=limit)
        self._last_number = new.number
        rows: list[list[Any]] = []
        sent: list[BufferedLine] = []
        size = 0
        for line in reversed(new.lines):
            text = sanitize_line(line.text)
            if rows and size + len(text) > self._available:
                break
            size += len(text) + ROW_BYTES
            sent.append(line)
            rows.append([line.number, line.time, line.node, text, *([] if line.row is None else [line.row])])
        self._available -= size
        skipped = 0 if whole else new.skipped + len(new.lines) - len(rows)
        # Nodes are read one after the other: the line that was read first need not be the earliest.
        before = format_cursor(min(line.position for line in sent)) if sent else None
        return {"skipped": skipped, "before": before, "lines": rows[::-1]}, size


def read_page(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    """Return the newest `limit` stored lines that match, before the cursor `before`; with `limit` 0, their number."""
    limit = arguments.get("limit")
    if not isinstance(limit, int) or limit < 0:
        raise errors.UsageError(f"{limit!r} is not a number of lines.")
    if limit == 0:
        return {"lines": [], "before": None, "more": False, "found": job.log_buffer().count(**_query(arguments))}, []
    page = job.log_buffer().page(limit=min(limit, MAX_LINES), **_query(arguments))
    return {"lines": _rows(page.lines), "before": page.before, "more": page.more}, []


def search(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    """Return the newest, or the oldest, stored line that matches, with the lines around it.

    It lies before the cursor `before` and not before `since`, in seconds since 1970.
    """
    since = arguments.get("since")
    if since is not None and not isinstance(since, int | float):
        raise errors.UsageError(f"{since!r} is not a time in seconds since 1970.")
    hit = job.log_buffer().find_match(since=since, oldest=arguments.get("oldest") is True, **_query(arguments))
    if hit is None:
        return {"lines": [], "index": None, "before": None, "more": False, "skipped": 0}, []
    position = {"before": hit.before, "more": hit.more, "skipped": hit.skipped}
    return {"lines": _rows(hit.lines), "index": hit.index, **position}, []


def sanitize_line(text: str) -> str:
    r"""Return a log line without control sequences other than colours, cut at `MAX_TEXT` characters.

    >>> sanitize_line("\x1b[2J\x1b[31mred\x1b[0m")
    '\x1b[31mred\x1b[0m'
    """
    text = _CONTROLS.sub("", text)
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\x1b[0m … {len(text) - MAX_TEXT:,} more characters"


def _query(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "before": _text(arguments.get("before")),
        "nodes": _nodes(arguments.get("nodes")),
        "pattern": _text(arguments.get("pattern")),
        "regex": arguments.get("regex") is True,
        "errors_only": arguments.get("errors") is True,
    }


def _rows(lines: Sequence[LogLine]) -> list[list[Any]]:
    return [[0, line.time, line.rank, sanitize_line(line.text)] for line in lines]


def _nodes(value: Any) -> frozenset[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(node, int) for node in value):
        raise errors.UsageError(f"{value!r} is not a list of nodes: give their numbers, or null for all.")
    return frozenset(value)


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise errors.UsageError(f"{value!r} is not a string.")
    return value or None
