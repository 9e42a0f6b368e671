r"""Carry overwritten terminal rows (progress bars, ``\r``) through a line-based log.

A progress bar overwrites its row without ending the line, so that it would not be logged before its end. Therefore the
worker writes each state of such a row as a line, which names the row that it overwrites::

    ~k3f9.4<CR>epoch 2:  37%|███▋      | 37/100
    =k3f9.4<CR>epoch 2: 100%|██████████| 100/100

``~`` is a row that may still change, ``=`` one that is final. `Screen` formats such lines and
`parse_row_update` parses them. The mark is a prefix since container runtimes strip a ``\r`` at the end of a line; a
terminal, which overwrites at ``\r``, shows the bar.
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
"""Maximum of rows that a program can move back to."""
TEXT_LIMIT: Final = 1_000
"""Maximum of characters of a row, so that a write of its line to a pipe is atomic."""

_MARK: Final = re.compile(rb"([~=])([0-9a-f]{6}\.\d{1,9})\r")
_UP: Final = re.compile(r"\x1b\[\d*A")
_CONTROL: Final = re.compile(r"(\r|\n|\x1b\[\d*[ABK])")


class RowUpdate(NamedTuple):
    """One state of a row. `row` is unique in a pod."""

    row: str
    final: bool
    """Whether the row cannot change any more, since the cursor has left it."""
    text: bytes


def parse_row_update(line: bytes) -> RowUpdate | None:
    """Parse a line of a log; None for an ordinary line."""
    if line[:1] not in b"~=" or (match := _MARK.match(line)) is None:
        return None
    return RowUpdate(match[2].decode(), match[1] == b"=", line[match.end() :])


def collapse_carriage_returns(text: str) -> str:
    r"""Return the visible text of a line with ``\r``.

    >>> collapse_carriage_returns("10%\r100%\rok")
    'ok0%'
    """
    visible = ""
    for part in text.split("\r"):
        visible = overwrite_text(visible, part)
    return visible.rstrip()


def overwrite_text(old: str, new: str) -> str:
    """Return `old` with its beginning overwritten by `new`; with colours in either, only `new`."""
    if "\x1b" in new or "\x1b" in old:
        return new or old
    return new + old[len(new) :]


@dataclass(slots=True)
class _Row:
    name: int
    text: str = ""
    written: str | None = None
    written_as_final: bool = False
    written_at: float = float("-inf")


class Screen:
    """The rows of one stream that a program can still change. Not thread-safe."""

    def __init__(self) -> None:
        self._token = os.urandom(3).hex()
        self._names = 0
        self._rows: list[_Row] = []
        self._cursor = 0
        self._at_start = True

    @property
    def empty(self) -> bool:
        """Whether there is no such row, so that output is ordinary text."""
        return not self._rows

    def feed(self, text: str, now: float) -> str:
        """Process output of the program; return what is to be logged."""
        if "\r" not in text.replace("\r\n", "\n") and not _UP.search(text):
            if not self._rows or self._cursor == len(self._rows):
                return self.close() + text
            if not self._at_start and text[:1] != "\n" and "\n" in text:
                return text  # Text printed after a bar without a line end.
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
        # A cleared row is usually about to be rewritten.
        return "".join([*out, self.due_lines(now, cleared=False)])

    def due_lines(self, now: float, *, cleared: bool = True) -> str:
        """Return lines for changed rows that were not written lately; also for empty ones if `cleared`."""
        rows = [row for row in self._rows if row.text != row.written and now - row.written_at >= PACE]
        return "".join(self._format_row(row, now) for row in rows if cleared or row.text.strip())

    def has_changes(self) -> bool:
        """Whether a row has changed since it was written."""
        return any(row.text != row.written for row in self._rows)

    def close(self) -> str:
        """Leave all rows; return lines for their unwritten changes."""
        rows, self._rows, self._cursor, self._at_start = self._rows, [], 0, True
        return "".join(
            self._format_row(row, 0.0, final=True)
            for row in rows
            if row.text != row.written or not row.written_as_final
        )

    def _newline(self, now: float) -> Iterator[str]:
        if self._cursor == len(self._rows):
            self._rows.append(self._new())
        row = self._rows[self._cursor]
        self._cursor += 1
        self._at_start = True
        if self._cursor == len(self._rows) and (row.text != row.written or not row.written_as_final):
            yield self._format_row(row, now, final=True)
        if len(self._rows) > ROWS:
            self._cursor -= 1
            oldest = self._rows.pop(0)
            if oldest.text != oldest.written:
                yield self._format_row(oldest, now, final=True)

    def _write(self, text: str) -> None:
        if self._cursor == len(self._rows):
            self._rows.append(self._new())
        row = self._rows[self._cursor]
        row.text = (overwrite_text(row.text, text) if self._at_start else row.text + text)[:TEXT_LIMIT]
        self._at_start = False

    def _move(self, escape: str) -> None:
        count = int(escape[2:-1] or 1)
        if escape[-1] == "A":
            self._cursor = max(0, self._cursor - count)
        elif escape[-1] == "B":
            self._cursor = min(len(self._rows), self._cursor + count)
        elif self._cursor < len(self._rows) and (self._at_start or count == 2):
            self._rows[self._cursor].text = ""

    def _new(self) -> _Row:
        self._names += 1
        return _Row(self._names)

    def _format_row(self, row: _Row, now: float, *, final: bool = False) -> str:
        row.written, row.written_at, row.written_as_final = row.text, now, final
        return f"{'=' if final else '~'}{self._token}.{row.name}\r{row.text.rstrip()}\n"
