r"""Overwritten lines: what a program means that goes back with ``\r`` (a progress bar), and how a log can carry it.

A log is lines, and a bar that redraws itself ends none: nobody would see it before it is full. Therefore the worker
writes each state of such a row as a line of its own, which names the row that it overwrites::

    ~k3f9.4<CR>epoch 2:  37%|███▋      | 37/100
    =k3f9.4<CR>epoch 2: 100%|██████████| 100/100

``~`` is a row that may still change, ``=`` one that the cursor has left. `Screen` makes such lines, `redrawn` reads
them. The mark stands in front because container runtimes strip a ``\r`` at the end of a line; and whoever only
overwrites at ``\r``, as a terminal does, sees the bar.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

PACE: Final = 1.0
"""Seconds between two lines of one row."""
ROWS: Final = 16
"""Rows that a program can go back to."""
TEXT_LIMIT: Final = 1_000
"""Characters of a row: its line stays below what a pipe takes as a whole, whatever they are."""

_MARK: Final = re.compile(rb"([~=])([0-9a-f]{6}\.\d{1,9})\r")
_UP: Final = re.compile(r"\x1b\[\d*A")
_CONTROL: Final = re.compile(r"(\r|\n|\x1b\[\d*[ABK])")


class Redrawn(NamedTuple):
    """One state of a row. `row` is unique in a pod."""

    row: str
    left: bool
    """Whether the cursor has gone on."""
    text: bytes


def redrawn(line: bytes) -> Redrawn | None:
    """Return what a line of a log says of a row; None for an ordinary line."""
    if line[:1] not in b"~=" or (match := _MARK.match(line)) is None:
        return None
    return Redrawn(match[2].decode(), match[1] == b"=", line[match.end() :])


def collapse(text: str) -> str:
    r"""Return what is to be seen of a line in which a program went back with ``\r``."""
    seen = ""
    for part in text.split("\r"):
        seen = overwrite(seen, part)
    return seen.rstrip()


def overwrite(old: str, new: str) -> str:
    """Write `new` over the beginning of `old`; where colours are in the way, `new` alone is what is meant."""
    if "\x1b" in new or "\x1b" in old:
        return new or old
    return new + old[len(new) :]


@dataclass(slots=True)
class _Row:
    name: int
    text: str = ""
    said: str | None = None
    said_left: bool = False
    at: float = float("-inf")


class Screen:
    """The rows that one stream of a program still goes back to. Not thread-safe."""

    def __init__(self) -> None:
        self._token = os.urandom(3).hex()
        self._names = 0
        self._rows: list[_Row] = []
        self._cursor = 0
        self._at_start = True

    @property
    def empty(self) -> bool:
        """Whether there is no such row: what is written then is ordinary text."""
        return not self._rows

    def feed(self, text: str, now: float) -> str:
        """Take what the program writes; return what the log is to get."""
        if "\r" not in text.replace("\r\n", "\n") and not _UP.search(text):
            if not self._rows or self._cursor == len(self._rows):
                return self.close() + text
            if not self._at_start and text[:1] != "\n" and "\n" in text:
                return text  # Printed beside a bar that stands: a line of its own.
        out: list[str] = []
        for part in _CONTROL.split(text):
            if part == "\r":
                self._at_start = True
            elif part == "\n":
                out += self._newline(now)
            elif part.startswith("\x1b[") and part[-1] in "ABK":
                self._move(part)
            elif part:
                self._write(part)
        # What is cleared is mostly about to be written anew.
        return "".join([*out, self.due(now, cleared=False)])

    def due(self, now: float, *, cleared: bool = True) -> str:
        """Return the lines of rows that changed and have not been said lately; also of those that are `cleared`."""
        rows = [row for row in self._rows if row.text != row.said and now - row.at >= PACE]
        return "".join(self._say(row, now) for row in rows if cleared or row.text.strip())

    def dirty(self) -> bool:
        """Whether a row is not as it was said last."""
        return any(row.text != row.said for row in self._rows)

    def close(self) -> str:
        """Leave all rows; return what was not said of them."""
        rows, self._rows, self._cursor, self._at_start = self._rows, [], 0, True
        return "".join(self._say(row, 0.0, left=True) for row in rows if row.text != row.said or not row.said_left)

    def _newline(self, now: float) -> Iterator[str]:
        if self._cursor == len(self._rows):
            self._rows.append(self._new())
        row = self._rows[self._cursor]
        self._cursor += 1
        self._at_start = True
        if self._cursor == len(self._rows) and (row.text != row.said or not row.said_left):
            yield self._say(row, now, left=True)
        if len(self._rows) > ROWS:
            self._cursor -= 1
            oldest = self._rows.pop(0)
            if oldest.text != oldest.said:
                yield self._say(oldest, now, left=True)

    def _write(self, text: str) -> None:
        if self._cursor == len(self._rows):
            self._rows.append(self._new())
        row = self._rows[self._cursor]
        row.text = (overwrite(row.text, text) if self._at_start else row.text + text)[:TEXT_LIMIT]
        self._at_start = False

    def _move(self, escape: str) -> None:
        many = int(escape[2:-1] or 1)
        if escape[-1] == "A":
            self._cursor = max(0, self._cursor - many)
        elif escape[-1] == "B":
            self._cursor = min(len(self._rows), self._cursor + many)
        elif self._cursor < len(self._rows) and (self._at_start or many == 2):
            self._rows[self._cursor].text = ""

    def _new(self) -> _Row:
        self._names += 1
        return _Row(self._names)

    def _say(self, row: _Row, now: float, *, left: bool = False) -> str:
        row.said, row.at, row.said_left = row.text, now, left
        return f"{'=' if left else '~'}{self._token}.{row.name}\r{row.text.rstrip()}\n"
