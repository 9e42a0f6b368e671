"""What the shim writes of a program's output: time-stamped lines in numbered files, of which the oldest go.

Standard library only, and light: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

LINE = 16_384
"""Longer lines are written in pieces."""


class Log:
    """Numbered files of lines ``<RFC3339Nano> <stdout|stderr> <F|P> <text>``, as Kubernetes' container runtimes write.

    The highest number is being written. When a file is too many, those of its lines that carry a frame are appended to
    ``kept`` before it goes, so a reader of ``kept`` and the files sees every frame. A disk that is full loses lines,
    never the program: where no further file can be made, the one there is grows on until one can.
    """

    def __init__(self, folder: str, *, size: int, files: int, frame: str, kept_size: int) -> None:
        self._folder = folder
        self._size = size
        self._files = files
        self._frame = b" F " + frame.encode()
        self._kept_room = kept_size
        self._stamps = Stamps()
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._number = 0
        self._written = 0
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._file = self._open_next()

    def feed(self, stream: bytes, data: bytes) -> None:
        """Write the lines that `data` completes; what is left of it waits for its end."""
        stamps = self._stamps
        stamps.renew()
        whole = (self._rest[stream] + data).split(b"\n")
        rest = whole.pop()
        out: list[bytes] = []
        for line in whole:
            if len(line) > LINE:
                *parts, line = pieces(line)  # noqa: PLW2901
                out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
            out.append(b"%b %b F %b\n" % (stamps.next(), stream, line))
        if len(rest) >= LINE:
            *parts, rest = pieces(rest)
            out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
        self._rest[stream] = rest
        self._write(b"".join(out))

    def close(self) -> None:
        """Write the lines that never ended."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(b"%b %b F %b\n" % (self._stamps.next(), stream, rest))
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with contextlib.suppress(OSError):
            while view:
                written = os.write(self._file, view)
                self._written += written
                view = view[written:]
        if self._written >= self._size:
            with contextlib.suppress(OSError):
                further = self._open_next()
                os.close(self._file)
                self._file = further
                self._drop(self._number - self._files)

    def _open_next(self) -> int:
        file = os.open(self._path(self._number + 1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._number += 1
        self._written = 0
        return file

    def _drop(self, number: int) -> None:
        path = self._path(number)
        with contextlib.suppress(OSError):
            with open(path, "rb") as old, open(os.path.join(self._folder, "kept"), "ab") as kept:
                for line in old:
                    if self._frame in line[:80] and len(line) <= self._kept_room:
                        self._kept_room -= kept.write(line)
            os.unlink(path)

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{number:08d}")


def pieces(line: bytes) -> Iterator[bytes]:
    """Yield `line` in pieces of at most `LINE` bytes; the last may be empty."""
    for start in range(0, len(line) + 1, LINE):
        yield line[start : start + LINE]


class Stamps:
    """Time stamps that always grow, by a nanosecond at least, so that each names one line of a log."""

    def __init__(self) -> None:
        self._second = b""
        self._start = 0
        self._now = 0
        self.renew()

    def renew(self) -> None:
        """Look at the clock."""
        self._now = max(time.time_ns(), self._now)

    def next(self) -> bytes:
        """Return the next stamp: RFC 3339 with nine digits, which sorts as text."""
        self._now += 1
        if not 0 <= self._now - self._start < 1_000_000_000:
            seconds = self._now // 1_000_000_000
            self._start = seconds * 1_000_000_000
            self._second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        return b"%b.%09dZ" % (self._second, self._now - self._start)


def stamp() -> str:
    """Return now."""
    return Stamps().next().decode()
