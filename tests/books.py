"""Logs for tests of views: a book with given lines, which are also what is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timezone

from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.metrics.history import Kept, Place
from jupyter_trainjob.metrics.loglines import Line


def stamp(time: float) -> str:
    """Return a moment as the log of a pod has it."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def kept(line: LogLine, number: int = 0) -> Kept:
    """Return a line as the history has it."""
    return f"pod-{line.rank}", line.rank, Line(stamp(line.time), number, line.text.encode())


def book_of(lines: Iterable[LogLine]) -> LogBook:
    """Return a book of `lines`, which are in the order of time."""
    all_kept = [kept(line, number) for number, line in enumerate(lines)]

    def newest(*, before: Place | None = None, nodes: Collection[int] | None = None) -> Iterator[Kept]:
        for pod, node, line in reversed(all_kept):
            if (nodes is None or node in nodes) and (before is None or (*line.place, pod) < before):
                yield pod, node, line

    book = LogBook(newest)
    for pod, node, line in all_kept:
        book.add(pod, node, line)
    return book
