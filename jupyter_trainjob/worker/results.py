"""Results: what each rank sends back, signed with the job's key.

The worker packs (`dump`), the notebook unpacks (`client.returned`). What is small goes through the log in frames, what
is larger into a sealed file of the job's folder that the frames name. A log can be written by anybody who runs in the
pod, so nothing is unpickled before its signature was checked: the key travels in the job's Secret only. The signature
covers the rank as well, so that no rank speaks for another.
"""

from __future__ import annotations

import errno
import hmac
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from . import classes, rebuilt
from .reducers import Reducers
from .sealed import Sealer, flat

LIMIT: Final = 2**20
"""Bytes of a pickled result in frames: of rank 0, and of all others together."""
SMALL: Final = 16 * 2**10
"""Bytes of the result of any other rank in frames, where there is a folder for what is larger."""

VALUE: Final = b"v"
FILE: Final = b"f"
REFUSED: Final = b"r"
"""How a body begins: pickles follow, or JSON with where they are, or the text that says why there are none."""

_DIGEST: Final = 32
_PURPOSE: Final = b"trainjob result\0"


class ResultError(Exception):
    """The result cannot be sent; the message says why and what to do."""


class ForgedResult(ValueError):
    """A result that was not signed with the job's key; nothing of it was unpickled."""


def sign(key: bytes, body: bytes, *, rank: int = 0) -> bytes:
    """Return `body` with its signature before it."""
    return _signature(key, body, rank) + body


def verify(key: bytes, signed: bytes, *, rank: int = 0) -> bytes:
    """Return the body of what `sign` made; raise `ForgedResult` if it was made for another key or rank."""
    digest, body = signed[:_DIGEST], signed[_DIGEST:]
    if not hmac.compare_digest(digest, _signature(key, body, rank)):
        raise ForgedResult(
            "A result in the job's log does not carry the job's signature. Something else than the job's program wrote "
            "it, or it is damaged; it was not unpickled."
        )
    return body


def room(rank: int, world: int, *, folder: bool) -> int:
    """Return how many bytes of a rank's result go through the log."""
    if rank == 0:
        return LIMIT
    share = LIMIT // max(1, world - 1)
    return min(SMALL, share) if folder else share


def dump(
    value: Any,
    out: Mapping[str, Any],
    *,
    key: bytes,
    rank: int = 0,
    limit: int = LIMIT,
    place: Path | None = None,
) -> bytes:
    """Pack a result of up to `limit` bytes; what is larger goes into a file of the folder `place`, if there is one.

    Raises `ResultError` if it cannot be pickled, is too large, or the folder has no room for it.
    """
    stream = _Stream(limit, None if place is None else place / file_name(rank), key)
    try:
        sizes = _dump(value, out, stream)
        if stream.sealer is None and stream.size > limit:
            raise _too_large(stream.size, sizes, limit)
        if stream.sealer is None:
            return sign(key, VALUE + bytes(stream.kept), rank=rank)
        try:
            where = {"file": file_name(rank), **stream.sealer.close()._asdict()}
        except OSError as error:
            raise _no_room(error, stream) from error
    except BaseException:
        if stream.sealer is not None:
            stream.sealer.discard()
        raise
    return sign(key, FILE + json.dumps(where).encode("ascii"), rank=rank)


def refuse(reason: str, *, key: bytes, rank: int) -> bytes:
    """Pack why a rank has no result, where that does not fail the job."""
    return sign(key, REFUSED + reason.encode(errors="replace")[:4096], rank=rank)


def file_name(rank: int) -> str:
    """Return how the file with a rank's result is called, in the folder of results."""
    return f"rank-{rank}"


def pickler(stream: Any) -> Any:
    """Return a pickler that takes by value what the notebook may not have, and tensors from any device."""
    from cloudpickle import Pickler

    class ResultPickler(Pickler):  # type: ignore[misc]
        """Knows classes of the notebook and tensors."""

        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            self._reducers = Reducers(bring_home=True)

        def dump(self, obj: Any) -> None:
            self._reducers.expect([obj])
            with rebuilt.deep():
                super().dump(obj)

        def reducer_override(self, obj: Any) -> Any:
            reduced = self._reducers.reduce(obj)
            if reduced is NotImplemented:
                reduced = super().reducer_override(obj)
            if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == 6:
                return classes.reduced(obj, reduced)
            return reduced

    return ResultPickler(stream)


def _signature(key: bytes, body: bytes, rank: int) -> bytes:
    return hmac.digest(key, b"%s%d\0%s" % (_PURPOSE, rank, body), "sha256")


def _dump(value: Any, out: Mapping[str, Any], stream: _Stream) -> dict[str, int]:
    """Write the names of `out`, the value and those of `out`; return what each took."""
    # Of the usual results none needs cloudpickle, whose import takes longer than all the rest of the way out.
    plain = not out and (value is None or type(value) in (bool, int, float, str))
    writer = pickle.Pickler(stream) if plain else pickler(stream)
    writer.dump(tuple(out))
    sizes: dict[str, int] = {}
    for what, item in [("the value of the last expression", value), *((f"--out {name}", out[name]) for name in out)]:
        before = stream.size
        try:
            writer.dump(item)
        except Exception as error:
            if stream.broken is not None:
                raise _no_room(stream.broken, stream) from error
            raise ResultError(
                f"The result cannot be sent back: {what}, a {type(item).__qualname__}, cannot be pickled "
                f"({type(error).__name__}: {error}). End the cell with something that can: numbers, arrays, a "
                f"state_dict. If you need no result, end it with None."
            ) from error
        sizes[what] = stream.size - before
    return sizes


def _too_large(size: int, sizes: Mapping[str, int], limit: int) -> ResultError:
    largest = max(sizes, key=lambda what: sizes[what])
    return ResultError(
        f"The result is too large to be sent back through the log: {size:,} bytes, where at most {limit:,} are "
        f"possible. Its largest part is {largest} ({sizes[largest]:,} bytes). The job has no folder that the "
        f"notebook can read: send it with --storage URL (s3://…, gs://…), or save that to a file or a bucket inside "
        f"the cell and return its path. If you need no result, end the cell with None."
    )


def _no_room(error: OSError, stream: _Stream) -> ResultError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    why = "the disk of the job's folder is full" if full else f"{error.strerror or error}"
    remedy = "Delete jobs that you need no more (`%trainjob delete NAME`), or return less." if full else "Return less."
    return ResultError(
        f"The result cannot be sent back: {why}, after {stream.written:,} bytes of it at {stream.path}. {remedy} "
        f"If you need no result, end the cell with None."
    )


class _Stream(io.RawIOBase):
    """Keeps in memory what may go into frames; beyond that everything goes into the file, or is only counted."""

    def __init__(self, limit: int, path: Path | None, key: bytes) -> None:
        super().__init__()
        self.kept = bytearray()
        self.size = 0
        self.written = 0
        self.path = path
        self.sealer: Sealer | None = None
        self.broken: OSError | None = None
        """Why no more can be written."""
        self._limit = limit
        self._key = key

    def write(self, data: Any) -> int:
        view = flat(data)
        self.size += len(view)
        if self.size <= self._limit:
            self.kept += view
        elif self.path is not None:
            try:
                self._write(self.path, view)
            except OSError as error:
                self.broken = error
                raise
        return len(view)

    def _write(self, path: Path, view: memoryview) -> None:
        if self.sealer is None:
            self.sealer = Sealer(path, key=self._key)
            self.written = self.sealer.write(self.kept)
            self.kept.clear()
        self.written += self.sealer.write(view)
