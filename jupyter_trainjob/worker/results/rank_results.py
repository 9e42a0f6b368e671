"""Send the result of a rank, signed with the job's key.

`client.results.result_reader` reads it in the notebook. Small results are sent through the log in frames, larger ones
in a signed file of the job's folder that the frames refer to. Any process in the pod can write to the log, so nothing
is unpickled before its signature was verified; the key is in the job's Secret only. The signature covers the rank, so
that no rank can send the result of another.
"""

from __future__ import annotations

import errno
import hmac
import io
import json
import pickle
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..manifest import CELL, FUNCTION
from ..notebook import shell
from ..pickling import returned_classes, stdlib_reducers
from ..pickling.reducers import Reducers
from .signed_file import SignedFileWriter, flat_view

LIMIT: Final = 2**20
"""Maximum size in bytes of results in frames: of rank 0, and of all others together."""
SMALL: Final = 16 * 2**10
"""Maximum size in bytes of another rank's result in frames, if there is a folder for larger ones."""

VALUE: Final = b"v"
FILE: Final = b"f"
REFUSED: Final = b"r"
"""Prefixes of a body: of pickles, of JSON with their file, or of the reason why there is no result."""
NOT_ASSIGNED: Final = "the cell ended without assigning it."
"""Warning for a name of ``--out`` that was not assigned."""


class _Wording(NamedTuple):
    """Wording of messages about the result."""

    value: str
    end: str
    """How to return something else."""


_WORDINGS: Final = {
    CELL: _Wording("the value of the last expression", "end the cell with"),
    FUNCTION: _Wording("what the function returned", "return"),
}

_DIGEST: Final = 32
_PURPOSE: Final = b"trainjob result\0"


class ResultError(Exception):
    """The result cannot be sent; the message contains the reason and the remedy."""


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


def log_limit(rank: int, world: int, *, folder: bool) -> int:
    """Return the maximum size in bytes of a rank's result in the log."""
    if rank == 0:
        return LIMIT
    share = LIMIT // max(1, world - 1)
    return min(SMALL, share) if folder else share


def dump_result(
    value: Any,
    out: Mapping[str, Any],
    *,
    key: bytes,
    rank: int = 0,
    limit: int = LIMIT,
    folder: Path | None = None,
    kind: str = CELL,
) -> bytes:
    """Serialize a result of up to `limit` bytes; a larger one is written to a file in `folder`, if given.

    Raises `ResultError` if it cannot be pickled, is too large, or cannot be written to the folder.
    """
    stream = _ResultStream(limit, None if folder is None else folder / result_file_name(rank), key, _WORDINGS[kind])
    try:
        sizes = _dump_items(value, out, stream)
        if stream.file_writer is None and stream.size > limit:
            raise _too_large(stream, sizes, limit)
        if stream.file_writer is None:
            return sign(key, VALUE + bytes(stream.buffer), rank=rank)
        try:
            location = {"file": result_file_name(rank), **stream.file_writer.close()._asdict()}
        except OSError as error:
            raise _no_room(error, stream) from error
    except BaseException:
        if stream.file_writer is not None:
            stream.file_writer.discard()
        raise
    return sign(key, FILE + json.dumps(location).encode("ascii"), rank=rank)


def dump_refusal(reason: str, *, key: bytes, rank: int) -> bytes:
    """Serialize the reason why a rank has no result, if that does not fail the job."""
    return sign(key, REFUSED + reason.encode(errors="replace")[:4096], rank=rank)


def result_file_name(rank: int) -> str:
    """Return the name of the file with a rank's result."""
    return f"rank-{rank}"


def result_pickler(stream: Any) -> Any:
    """Return a pickler that pickles notebook code by value, and tensors from any device."""
    from cloudpickle import Pickler

    class ResultPickler(Pickler):  # type: ignore[misc]
        """Pickles classes of the notebook and tensors."""

        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            self._reducers = Reducers(any_device=True)

        def dump(self, obj: Any) -> None:
            self._reducers.expect([obj])
            with stdlib_reducers.deep_recursion():
                super().dump(obj)

        def reducer_override(self, obj: Any) -> Any:
            reduced = self._reducers.reduce(obj)
            if isinstance(obj, types.FunctionType) and obj in (shell.get_ipython, shell.display):
                return shell.notebook_function, (obj.__name__,)
            if reduced is NotImplemented:
                reduced = super().reducer_override(obj)
            if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == 6:
                return returned_classes.reduce_class(obj, reduced)
            return reduced

    return ResultPickler(stream)


def _signature(key: bytes, body: bytes, rank: int) -> bytes:
    return hmac.digest(key, b"%s%d\0%s" % (_PURPOSE, rank, body), "sha256")


def _dump_items(value: Any, out: Mapping[str, Any], stream: _ResultStream) -> dict[str, int]:
    """Write the names of `out`, the value and the values of `out`; return the size of each."""
    # Plain results do not need cloudpickle, whose import takes longer than the rest of the exit.
    plain = not out and (value is None or type(value) in (bool, int, float, str))
    writer = pickle.Pickler(stream) if plain else result_pickler(stream)
    writer.dump(tuple(out))
    sizes: dict[str, int] = {}
    for label, item in [(stream.wording.value, value), *((f"--out {name}", out[name]) for name in out)]:
        before = stream.size
        try:
            writer.dump(item)
        except Exception as error:
            if stream.write_error is not None:
                raise _no_room(stream.write_error, stream) from error
            raise ResultError(
                f"The result cannot be sent back: {label}, a {type(item).__qualname__}, cannot be pickled "
                f"({type(error).__name__}: {error}). {stream.wording.end.capitalize()} something that can: numbers, "
                f"arrays, a state_dict. If you need no result, {stream.wording.end} None."
            ) from error
        sizes[label] = stream.size - before
    return sizes


def _too_large(stream: _ResultStream, sizes: Mapping[str, int], limit: int) -> ResultError:
    largest = max(sizes, key=lambda name: sizes[name])
    return ResultError(
        f"The result is too large to be sent back through the log: {stream.size:,} bytes, where at most {limit:,} are "
        f"possible. Its largest part is {largest} ({sizes[largest]:,} bytes). The job has no folder that the "
        f"notebook can read: send it with --storage URL (s3://…, gs://…), or save that to a file or a bucket inside "
        f"the job and return its path. If you need no result, {stream.wording.end} None."
    )


def _no_room(error: OSError, stream: _ResultStream) -> ResultError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    why = "the disk of the job's folder is full" if full else f"{error.strerror or error}"
    remedy = (
        "Delete jobs that you no longer need (`%trainjob delete NAME`), or return less." if full else "Return less."
    )
    return ResultError(
        f"The result cannot be sent back: {why}, after {stream.written:,} bytes of it at {stream.path}. {remedy} "
        f"If you need no result, {stream.wording.end} None."
    )


class _ResultStream(io.RawIOBase):
    """Buffers what fits into frames; beyond that all data is written to the file, or only counted."""

    def __init__(self, limit: int, path: Path | None, key: bytes, wording: _Wording) -> None:
        super().__init__()
        self.buffer = bytearray()
        self.size = 0
        self.written = 0
        self.path = path
        self.file_writer: SignedFileWriter | None = None
        self.write_error: OSError | None = None
        """The error that ended writing, if any."""
        self._limit = limit
        self._key = key
        self.wording = wording

    def write(self, data: Any) -> int:
        view = flat_view(data)
        self.size += len(view)
        if self.size <= self._limit:
            self.buffer += view
        elif self.path is not None:
            try:
                self._write(self.path, view)
            except OSError as error:
                self.write_error = error
                raise
        return len(view)

    def _write(self, path: Path, view: memoryview) -> None:
        if self.file_writer is None:
            self.file_writer = SignedFileWriter(path, key=self._key)
            self.written = self.file_writer.write(self.buffer)
            self.buffer.clear()
        self.written += self.file_writer.write(view)
