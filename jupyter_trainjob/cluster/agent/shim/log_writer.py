"""Write a program's output as lines with timestamps into numbered files, and delete the oldest.

Standard library only: see `shim`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

MAX_LINE_BYTES = 16_384
"""Bytes; longer lines are split, as container runtimes do."""


class LogWriter:
    """Numbered files of lines ``<RFC3339Nano> <stdout|stderr> <F|P> <text>``, the format of CRI runtimes.

    The file with the highest number is written. Before a file is deleted, its lines that contain a frame are appended
    to ``kept``, so that a reader of ``kept`` and the files sees all frames. On a full disk lines are lost, but the
    program continues: if no new file can be created, the current one grows until that succeeds.
    """

    def __init__(self, folder: str, *, size: int, files: int, frame: str, kept_size: int) -> None:
        self._folder = folder
        self._size = size
        self._files = files
        self._frame = b" F " + frame.encode()
        self._kept_bytes_left = kept_size
        self._stamps = Timestamps()
        self._incomplete = {b"stdout": b"", b"stderr": b""}
        self._number = 0
        self._written = 0
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._file = self._open_next()

    def write_output(self, stream: bytes, data: bytes) -> None:
        """Write the lines that `data` completes; an incomplete last line is buffered."""
        stamps = self._stamps
        stamps.renew()
        whole = (self._incomplete[stream] + data).split(b"\n")
        rest = whole.pop()
        out: list[bytes] = []
        for line in whole:
            if len(line) > MAX_LINE_BYTES:
                *parts, line = split_line(line)  # noqa: PLW2901
                out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
            out.append(b"%b %b F %b\n" % (stamps.next(), stream, line))
        if len(rest) >= MAX_LINE_BYTES:
            *parts, rest = split_line(rest)
            out += [b"%b %b P %b\n" % (stamps.next(), stream, part) for part in parts]
        self._incomplete[stream] = rest
        self._write(b"".join(out))

    def close(self) -> None:
        """Write incomplete lines and close the file."""
        for stream, rest in self._incomplete.items():
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
                next_file = self._open_next()
                os.close(self._file)
                self._file = next_file
                self._delete_file(self._number - self._files)

    def _open_next(self) -> int:
        file = os.open(self._path(self._number + 1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._number += 1
        self._written = 0
        return file

    def _delete_file(self, number: int) -> None:
        path = self._path(number)
        with contextlib.suppress(OSError):
            with open(path, "rb") as old, open(os.path.join(self._folder, "kept"), "ab") as kept_file:
                for line in old:
                    if self._frame in line[:80] and len(line) <= self._kept_bytes_left:
                        self._kept_bytes_left -= kept_file.write(line)
            os.unlink(path)

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{number:08d}")


def split_line(line: bytes) -> Iterator[bytes]:
    """Yield `line` in parts of at most `MAX_LINE_BYTES` bytes; the last may be empty."""
    for start in range(0, len(line) + 1, MAX_LINE_BYTES):
        yield line[start : start + MAX_LINE_BYTES]


class Timestamps:
    """Strictly increasing timestamps, at least a nanosecond apart, which identify the lines of a log."""

    def __init__(self) -> None:
        self._second = b""
        self._start = 0
        self._now = 0
        self.renew()

    def renew(self) -> None:
        """Read the clock."""
        self._now = max(time.time_ns(), self._now)

    def next(self) -> bytes:
        """Return the next timestamp: RFC 3339 with nine digits, which sorts as text."""
        self._now += 1
        if not 0 <= self._now - self._start < 1_000_000_000:
            seconds = self._now // 1_000_000_000
            self._start = seconds * 1_000_000_000
            self._second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        return b"%b.%09dZ" % (self._second, self._now - self._start)


def current_timestamp() -> str:
    """Return the current time as a timestamp."""
    return Timestamps().next().decode()
