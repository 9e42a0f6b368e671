r"""Standard output and error of a rank: whole lines in one write each, and rows that are overwritten as lines too.

Ordinary text of the cell's ``print`` is written directly, in order and at full speed; only after a program has moved
the cursor back with ``\r`` does a `Screen` decide what is logged. Other writers to the file descriptors (native code,
programs that the cell starts) are not affected.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import secret_masking
from .terminal_rows import Screen

_write_buffered = io.BufferedWriter.write


class LogStream(io.BufferedWriter):
    """The binary buffer of a text stream."""

    def __init__(self, raw: io.RawIOBase, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(raw)
        self._clock = clock
        self._begun = False
        self.writes = 0
        self.reset()

    def reset(self) -> None:
        """Start without rows, as in a forked child: rows of the parent are not its own."""
        self._screen = Screen()
        self._lock = threading.RLock()
        self._inside = False
        self._plain = True

    def write(self, data: Any) -> int:
        """Write bytes to the log, or the rows that result from them."""
        if type(data) is not bytes:
            data = bytes(data)
        size = len(data)
        data = secret_masking.mask_bytes(data)
        self.writes += 1
        if self._plain and b"\r" not in data:
            self._begun = data[-1:] != b"\n"
            _write_buffered(self, data)
            return size
        with self._lock:
            if self._inside:  # A signal handler or a finalizer prints during this call.
                _write_buffered(self, data)
                return size
            self._inside = True
            try:
                self._put(self._screen.feed(data.decode(errors="surrogateescape"), self._clock()))
            finally:
                self._inside = False
        return size

    def write_due_rows(self) -> None:
        """Write changed rows that are due; called from another thread, only if that cannot block."""
        if self._plain or not self._screen.has_changes() or not self._lock.acquire(blocking=False):
            return
        try:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLOUT)
            if poll.poll(0):
                self._put(self._screen.due_lines(self._clock()))
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Write the final state of the rows."""
        with self._lock:
            self._put(self._screen.close())

    def _put(self, text: str) -> None:
        self._plain = self._screen.empty
        if not text:
            return
        # End an unfinished line that is in the log already.
        data = ("\n" * self._begun + text).encode(errors="surrogateescape")
        self._begun = not text.endswith("\n")
        _write_buffered(self, data)
        self.flush()


_streams: list[LogStream] = []
_texts: list[io.TextIOWrapper] = []
"""Their text streams: ``sys.stdout`` and ``sys.stderr``, unless the cell has replaced them."""
_replaced: list[Any] = []
"""Kept alive, since a garbage-collected stream closes its file."""


def install() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that write whole lines.

    By default Python writes late blocks to a pipe, and under ``python -u``, as torchrun starts its ranks, text and line
    end separately, with other ranks' lines and frames in between.
    """
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        old.flush()
        _replaced.append(old)
        raw = io.FileIO(old.fileno(), "wb", closefd=False)
        raw.name = old.name
        stream = LogStream(raw)
        new = io.TextIOWrapper(stream, encoding=old.encoding, errors="backslashreplace", line_buffering=True)
        _streams.append(stream)
        _texts.append(new)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.register_at_fork(after_in_child=_in_child)


def write_due_rows() -> None:
    """Write changed rows that are due, of both streams."""
    for stream in _streams:
        with contextlib.suppress(OSError, ValueError):  # The cell may have closed it.
            stream.write_due_rows()


def write_count() -> int:
    """Return the number of writes so far."""
    return sum(stream.writes for stream in _streams)


def finish() -> None:
    """Flush the streams and write the final state of the rows."""
    for text in (*_texts, sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # The cell may have replaced it by anything.
            text.flush()
    for stream in _streams:
        with contextlib.suppress(OSError, ValueError):
            stream.finish()


def _in_child() -> None:
    for stream in _streams:
        stream.reset()
