"""Logs for tests of views: a book with given lines, which are also what is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timezone

from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.client.watching.log_buffer import LogBuffer
from jupyter_trainjob.metrics.history import LinePosition, StoredLine
from jupyter_trainjob.metrics.log_lines import PodLogLine


def stamp(time: float) -> str:
    """Return a moment as the log of a pod has it."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def stored_line(line: LogLine, number: int = 0) -> StoredLine:
    """Return a line as the history has it."""
    return f"pod-{line.rank}", line.rank, PodLogLine(stamp(line.time), number, line.text.encode())


def book_of(lines: Iterable[LogLine]) -> LogBuffer:
    """Return a book of `lines`, which are in the order of time."""
    all_kept = [stored_line(line, number) for number, line in enumerate(lines)]

    def newest(*, before: LinePosition | None = None, nodes: Collection[int] | None = None) -> Iterator[StoredLine]:
        for pod, node, line in reversed(all_kept):
            if (nodes is None or node in nodes) and (before is None or (*line.position, pod) < before):
                yield pod, node, line

    book = LogBuffer(newest)
    for pod, node, line in all_kept:
        book.add(pod, node, line)
    return book
