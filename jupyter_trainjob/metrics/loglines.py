r"""A pod's log as Kubernetes serves it with ``timestamps=true``, read line by line: text for people, frames for us.

Text is read as a terminal shows it: where a program went back with ``\r``, what it wrote last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob.api import times
from jupyter_trainjob.worker.protocol import Frame, decode
from jupyter_trainjob.worker.screen import collapse, redrawn


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a pod's log."""

    stamp: str
    """Its timestamp as it was written (RFC 3339, nine digits)."""
    number: int
    """Its place among the lines with this timestamp: together they name a line of a log for ever."""
    text: bytes
    frame: Frame | None = None
    row: str = ""
    """Names a row that the program overwrites: a later line of the same row stands for this one."""
    open: bool = False
    """Whether the program may still be writing this row."""

    @property
    def time(self) -> float:
        """Return the timestamp in unix seconds."""
        return times.seconds(self.stamp)

    @property
    def place(self) -> tuple[str, int]:
        """Return what orders the lines of one log."""
        return self.stamp, self.number


def parse(lines: Iterable[bytes]) -> Iterator[Line]:
    """Split timestamped lines, and drop the empty line that a frame puts before itself to start on a fresh one."""
    held: Line | None = None
    last, number = "", 0
    for raw in lines:
        head, _, text = raw.partition(b" ")
        stamp = head.decode(errors="replace")
        number = number + 1 if stamp == last else 0
        last = stamp
        line = _line(stamp, number, text)
        if held is not None and line.frame is None:
            yield held
        held = None
        if text == b"":
            held = line  # Only the next line tells whether somebody meant it.
        else:
            yield line
    if held is not None:
        yield held


def _line(stamp: str, number: int, text: bytes) -> Line:
    frame = decode(text)
    if frame is not None or b"\r" not in text:
        return Line(stamp, number, text, frame)
    row = redrawn(text)
    seen = collapse((row.text if row else text).decode(errors="surrogateescape")).encode(errors="surrogateescape")
    return Line(stamp, number, seen, None, row.row, not row.left) if row else Line(stamp, number, seen)
