r"""Parse a pod's log, as Kubernetes serves it with ``timestamps=true``, into text lines and frames.

After ``\r`` a program overwrites the line; the text is what a terminal would show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob.api import times
from jupyter_trainjob.worker.output.terminal_rows import collapse_carriage_returns, parse_row_update
from jupyter_trainjob.worker.protocol import Frame, decode


@dataclass(frozen=True, slots=True)
class PodLogLine:
    """One line of a pod's log."""

    stamp: str
    """The timestamp as it was written (RFC 3339, nine digits)."""
    number: int
    """Its index among the lines with this timestamp: together they identify a line of a log."""
    text: bytes
    frame: Frame | None = None
    row: str = ""
    """Identifies a row that the program overwrites: a later line of the same row replaces this one."""
    open: bool = False
    """Whether the program may still be writing this row."""

    @property
    def time(self) -> float:
        """Return the timestamp in unix seconds."""
        return times.unix_seconds(self.stamp)

    @property
    def position(self) -> tuple[str, int]:
        """Return the sort key of the lines of one log."""
        return self.stamp, self.number


def parse_lines(lines: Iterable[bytes]) -> Iterator[PodLogLine]:
    """Parse timestamped lines; drop the empty line that a frame writes before itself to start on a new line."""
    empty_line: PodLogLine | None = None
    last, number = "", 0
    for raw in lines:
        head, _, text = raw.partition(b" ")
        stamp = head.decode(errors="replace")
        number = number + 1 if stamp == last else 0
        last = stamp
        line = _parse_line(stamp, number, text)
        if empty_line is not None and line.frame is None:
            yield empty_line
        empty_line = None
        if text == b"":
            empty_line = line  # It is dropped if a frame follows.
        else:
            yield line
    if empty_line is not None:
        yield empty_line


def _parse_line(stamp: str, number: int, text: bytes) -> PodLogLine:
    frame = decode(text)
    if frame is not None or b"\r" not in text:
        return PodLogLine(stamp, number, text, frame)
    row = parse_row_update(text)
    visible = collapse_carriage_returns((row.text if row else text).decode(errors="surrogateescape")).encode(
        errors="surrogateescape"
    )
    return (
        PodLogLine(stamp, number, visible, None, row.row, not row.final) if row else PodLogLine(stamp, number, visible)
    )
