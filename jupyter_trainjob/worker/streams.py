r"""Standard output and error of a rank: whole lines in one write each, and rows that are overwritten as lines too.

Between the cell's ``print`` and the pod's log. Ordinary text takes the straight way, in order and at full speed; only
where a program goes back with ``\r`` does a `Screen` decide what the log gets. What else writes to the file descriptors
(native code, programs that the cell starts) is not touched.
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

from . import hidden
from .screen import Screen

_write = io.BufferedWriter.write


class Stream(io.BufferedWriter):
    """The binary end of a text stream."""

    def __init__(self, raw: io.RawIOBase, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(raw)
        self._clock = clock
        self._begun = False
        self.writes = 0
        self.renew()

    def renew(self) -> None:
        """Begin with no rows, as the child of a fork does: its parent's are not its own."""
        self._screen = Screen()
        self._lock = threading.RLock()
        self._inside = False
        self._plain = True

    def write(self, data: Any) -> int:
        """Write bytes; the log gets at once what it is to get."""
        if type(data) is not bytes:
            data = bytes(data)
        size = len(data)
        data = hidden.mask_bytes(data)
        self.writes += 1
        if self._plain and b"\r" not in data:
            self._begun = data[-1:] != b"\n"
            _write(self, data)
            return size
        with self._lock:
            if self._inside:  # A signal handler or a finalizer prints in the middle of this.
                _write(self, data)
                return size
            self._inside = True
            try:
                self._put(self._screen.feed(data.decode(errors="surrogateescape"), self._clock()))
            finally:
                self._inside = False
        return size

    def say_what_is_due(self) -> None:
        """Say how rows stand that have changed; from another thread, and only where that cannot block."""
        if self._plain or not self._screen.dirty() or not self._lock.acquire(blocking=False):
            return
        try:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLOUT)
            if poll.poll(0):
                self._put(self._screen.due(self._clock()))
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Say how the last rows stood."""
        with self._lock:
            self._put(self._screen.close())

    def _put(self, text: str) -> None:
        self._plain = self._screen.empty
        if not text:
            return
        # A line that was begun before is a line of its own; it has gone out already.
        data = ("\n" * self._begun + text).encode(errors="surrogateescape")
        self._begun = not text.endswith("\n")
        _write(self, data)
        self.flush()


_streams: list[Stream] = []
_texts: list[io.TextIOWrapper] = []
"""What writes to them: ``sys.stdout`` and ``sys.stderr``, unless the cell has put something else there."""
_replaced: list[Any] = []
"""Kept, for a stream that is collected closes its file."""


def install() -> None:
    """Put our streams in the place of ``sys.stdout`` and ``sys.stderr``.

    Whole lines in one write each: by default a pipe gets blocks, late, and under ``python -u``, as torchrun starts its
    ranks, the text and the line end apart, with other ranks' lines and frames between them.
    """
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        old.flush()
        _replaced.append(old)
        raw = io.FileIO(old.fileno(), "wb", closefd=False)
        raw.name = old.name
        stream = Stream(raw)
        new = io.TextIOWrapper(stream, encoding=old.encoding, errors="backslashreplace", line_buffering=True)
        _streams.append(stream)
        _texts.append(new)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.register_at_fork(after_in_child=_in_child)


def say_what_is_due() -> None:
    """Say how the rows stand that have changed, of both streams."""
    for stream in _streams:
        with contextlib.suppress(OSError, ValueError):  # The cell may have closed it.
            stream.say_what_is_due()


def writes() -> int:
    """Return how often something was written so far."""
    return sum(stream.writes for stream in _streams)


def finish() -> None:
    """Write everything that the streams still hold."""
    for text in (*_texts, sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # The cell may have put anything there.
            text.flush()
    for stream in _streams:
        with contextlib.suppress(OSError, ValueError):
            stream.finish()


def _in_child() -> None:
    for stream in _streams:
        stream.renew()
