"""Write and read large results as files that are signed while they are written.

`SignedFileWriter` writes for the worker, `SignedFileReader` reads for the notebook; both process the data once and
buffer a single chunk. A file is a sequence of chunks, each followed by an HMAC with the job's key over the file's
nonce, the chunk's number and its data. A reader returns nothing of a chunk before it was verified, so that nothing
unsigned is unpickled, even if the file is changed meanwhile. The signed message that refers to the file contains its
length (`FileSeal`).
"""

from __future__ import annotations

import hmac
import io
import os
import pickle
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

CHUNK: Final = 2**20
_DIGEST: Final = 32
_PURPOSE: Final = b"trainjob sealed file\0"


class InvalidSignature(ValueError):
    """The file is not what the job has written; none of the invalid data was returned."""


class Readable(Protocol):
    """The underlying file of a `SignedFileReader`."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into `buffer` as much as is available; return the number of bytes."""


class FileSeal(NamedTuple):
    """The length and nonce of a file, which a reader must get from a trusted source."""

    size: int
    """Bytes of data, without signatures."""
    nonce: str


class SignedFileWriter:
    """Writes a signed file, which appears at its path when it is complete (`close`), or never (`discard`)."""

    def __init__(self, path: Path, *, key: bytes) -> None:
        self._path = path
        self._nonce = os.urandom(16)
        self._key = key
        self._size = self._number = 0
        self._pending = bytearray()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for draft in path.parent.glob(f".{path.name}.*"):  # of an attempt that was killed
            draft.unlink(missing_ok=True)
        self._draft = path.with_name(f".{path.name}.{self._nonce.hex()}")
        self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, data: Any) -> int:
        """Write data; large data is written to the disk without a copy."""
        view = flat_view(data)
        self._size += len(view)
        start = 0
        if self._pending:
            start = min(len(view), CHUNK - len(self._pending))
            self._pending += view[:start]
            if len(self._pending) == CHUNK:
                self._write_chunk(self._pending)
                self._pending.clear()
        while len(view) - start >= CHUNK:
            self._write_chunk(view[start : start + CHUNK])
            start += CHUNK
        self._pending += view[start:]
        return len(view)

    def close(self) -> FileSeal:
        """Complete the file and move it to its path."""
        if self._pending:
            self._write_chunk(self._pending)
        self._file.close()
        self._draft.replace(self._path)
        return FileSeal(self._size, self._nonce.hex())

    def discard(self) -> None:
        """Delete the draft."""
        self._draft.unlink(missing_ok=True)
        try:
            self._file.close()
        except OSError:  # A full disk; the draft is deleted already.
            return

    def _write_chunk(self, chunk: Any) -> None:
        self._file.write(chunk)
        self._file.write(_signature(self._key, self._nonce, self._number, chunk))
        self._number += 1


class SignedFileReader(io.RawIOBase):
    """Reads a signed file from its beginning. Raises `InvalidSignature` if it is not genuine."""

    def __init__(self, file: Readable, seal: FileSeal, *, key: bytes) -> None:
        super().__init__()
        self._file = file
        self._key = key
        self._nonce = bytes.fromhex(seal.nonce)
        self._remaining = seal.size
        """Bytes of data that were not read from the file yet."""
        self._number = 0
        self._chunk = bytearray()
        self._verified = memoryview(b"")
        """Verified bytes that were not returned yet."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer` until it is full or the file ends; return the number of bytes."""
        target, done = flat_view(buffer), 0
        while done < len(target) and (self._verified or self._remaining):
            if self._verified:
                count = min(len(self._verified), len(target) - done)
                target[done : done + count] = self._verified[:count]
                self._verified = self._verified[count:]
                done += count
            elif len(target) - done >= self._next_size():
                count = self._next_size()
                self._read_chunk(target[done : done + count])
                done += count
            else:
                self._fill()
        return done

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        bytes_left = len(self._verified) + self._remaining
        wanted = bytearray(bytes_left if size is None or size < 0 else min(size, bytes_left))
        self.readinto(wanted)
        return bytes(wanted)

    def readline(self, size: int | None = -1) -> bytes:
        """Return the rest of a line, for old opcodes of pickles."""
        line = bytearray()
        while (size is None or size < 0 or len(line) < size) and not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def _next_size(self) -> int:
        return min(CHUNK, self._remaining)

    def _fill(self) -> None:
        # The caller may still use a view of the old chunk.
        self._chunk = bytearray(self._next_size())
        self._read_chunk(memoryview(self._chunk))
        self._verified = memoryview(self._chunk)

    def _read_chunk(self, target: memoryview) -> None:
        """Read the next chunk into `target`, and its signature."""
        self._remaining -= len(target)
        signature = bytearray(_DIGEST)
        whole = _read_into(self._file, target) and _read_into(self._file, memoryview(signature))
        genuine = _signature(self._key, self._nonce, self._number, target)
        self._number += 1
        if not whole or not hmac.compare_digest(signature, genuine):
            target[:] = bytes(len(target))
            raise InvalidSignature("it was cut, damaged or written by something else than the job's program")


def flat_view(data: Any) -> memoryview:
    """Return the bytes of a pickler's output without copying them."""
    if isinstance(data, pickle.PickleBuffer):
        return data.raw()
    view = memoryview(data)
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _signature(key: bytes, nonce: bytes, number: int, chunk: Any) -> bytes:
    signer = hmac.new(key, _PURPOSE + nonce + number.to_bytes(8, "big"), "sha256")
    signer.update(chunk)
    return signer.digest()


def _read_into(file: Readable, target: memoryview) -> bool:
    """Fill `target`; return whether there was enough data."""
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            return False
        done += count
    return True
