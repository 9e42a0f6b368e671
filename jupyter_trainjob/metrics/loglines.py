"""A pod's log as Kubernetes serves it with ``timestamps=true``, read line by line: text for people, frames for us."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_trainjob.worker.protocol import Frame, decode

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a pod's log."""

    stamp: str
    """Its timestamp as it was written (RFC 3339, nine digits)."""
    number: int
    """Its place among the lines with this timestamp: together they name a line of a log for ever."""
    text: bytes
    frame: Frame | None = None

    @property
    def time(self) -> float:
        """Return the timestamp in unix seconds."""
        return seconds(self.stamp)

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
        line = Line(stamp, number, text, decode(text))
        if held is not None and line.frame is None:
            yield held
        held = None
        if text == b"":
            held = line  # Only the next line tells whether somebody meant it.
        else:
            yield line
    if held is not None:
        yield held


def seconds(stamp: str) -> float:
    """Return an RFC 3339 timestamp, with any number of digits, in unix seconds; 0.0 for what is none."""
    match = _STAMP.match(stamp)
    if match is None:
        return 0.0
    whole, fraction, zone = match.groups()
    moment = dt.datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
    return moment.timestamp() + float(fraction or 0)


def whole_second(stamp: str) -> str:
    """Return the second that a timestamp lies in, as the ``sinceTime`` of a log request takes it."""
    match = _STAMP.match(stamp)
    moment = dt.datetime.fromtimestamp(int(seconds(match[1] + match[3])) if match else 0, dt.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
