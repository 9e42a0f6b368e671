"""Sealed files: large results on their way home, signed as they are written and held against it as they are read.

`Sealer` writes for the worker, `Unsealer` reads for the notebook; both go through the data once and hold a single
chunk of it. A file is a row of chunks, each followed by its HMAC of the job's key, the file's own nonce and the chunk's
number. A reader hands out nothing of a chunk before it was verified, so that nothing unsigned is ever unpickled,
whoever writes into the file meanwhile. How long the file is stands in the signed message that names it (`Seal`).
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


class BrokenSeal(ValueError):
    """A file that is not what the job has written; nothing of the part that is not was handed out."""


class Readable(Protocol):
    """What a sealed file is read from."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill `buffer` as far as that is possible at once; return how far."""


class Seal(NamedTuple):
    """What a reader must know of a file, from somebody whom it trusts."""

    size: int
    """Bytes of what was written, without signatures."""
    nonce: str


class Sealer:
    """Writes a sealed file. It appears at its path when it is whole (`close`), or never (`discard`)."""

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
        """Take more; large data goes to the disk from where it is."""
        view = flat(data)
        self._size += len(view)
        start = 0
        if self._pending:
            start = min(len(view), CHUNK - len(self._pending))
            self._pending += view[:start]
            if len(self._pending) == CHUNK:
                self._put(self._pending)
                self._pending.clear()
        while len(view) - start >= CHUNK:
            self._put(view[start : start + CHUNK])
            start += CHUNK
        self._pending += view[start:]
        return len(view)

    def close(self) -> Seal:
        """Finish the file and let it appear."""
        if self._pending:
            self._put(self._pending)
        self._file.close()
        self._draft.replace(self._path)
        return Seal(self._size, self._nonce.hex())

    def discard(self) -> None:
        """Take everything back."""
        self._draft.unlink(missing_ok=True)
        try:
            self._file.close()
        except OSError:  # Of a full disk, on which it lies no more.
            return

    def _put(self, chunk: Any) -> None:
        self._file.write(chunk)
        self._file.write(_signature(self._key, self._nonce, self._number, chunk))
        self._number += 1


class Unsealer(io.RawIOBase):
    """Reads a sealed file from its beginning, as an unpickler does. Raises `BrokenSeal` where it is not genuine."""

    def __init__(self, file: Readable, seal: Seal, *, key: bytes) -> None:
        super().__init__()
        self._file = file
        self._key = key
        self._nonce = bytes.fromhex(seal.nonce)
        self._left = seal.size
        """Bytes that are still in the file."""
        self._number = 0
        self._chunk = bytearray()
        self._ready = memoryview(b"")
        """Verified bytes that nobody has read yet."""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, unless the end comes first; return how much that was."""
        target, done = flat(buffer), 0
        while done < len(target) and (self._ready or self._left):
            if self._ready:
                count = min(len(self._ready), len(target) - done)
                target[done : done + count] = self._ready[:count]
                self._ready = self._ready[count:]
                done += count
            elif len(target) - done >= self._next():
                count = self._next()
                self._take(target[done : done + count])
                done += count
            else:
                self._fill()
        return done

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        left = len(self._ready) + self._left
        wanted = bytearray(left if size is None or size < 0 else min(size, left))
        self.readinto(wanted)
        return bytes(wanted)

    def readline(self, size: int | None = -1) -> bytes:
        """Return the rest of a line; old opcodes of pickles have some."""
        line = bytearray()
        while (size is None or size < 0 or len(line) < size) and not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def _next(self) -> int:
        return min(CHUNK, self._left)

    def _fill(self) -> None:
        # A view of the old chunk may still be in somebody's hands.
        self._chunk = bytearray(self._next())
        self._take(memoryview(self._chunk))
        self._ready = memoryview(self._chunk)

    def _take(self, target: memoryview) -> None:
        """Read the next chunk into `target`, and its signature."""
        self._left -= len(target)
        signature = bytearray(_DIGEST)
        whole = _read_into(self._file, target) and _read_into(self._file, memoryview(signature))
        genuine = _signature(self._key, self._nonce, self._number, target)
        self._number += 1
        if not whole or not hmac.compare_digest(signature, genuine):
            target[:] = bytes(len(target))
            raise BrokenSeal("it was cut, damaged or written by something else than the job's program")


def flat(data: Any) -> memoryview:
    """Return what a pickler writes as plain bytes, without copying it."""
    if isinstance(data, pickle.PickleBuffer):
        return data.raw()
    view = memoryview(data)
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _signature(key: bytes, nonce: bytes, number: int, chunk: Any) -> bytes:
    signer = hmac.new(key, _PURPOSE + nonce + number.to_bytes(8, "big"), "sha256")
    signer.update(chunk)
    return signer.digest()


def _read_into(file: Readable, target: memoryview) -> bool:
    """Fill `target`; returns whether there was enough."""
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            return False
        done += count
    return True
