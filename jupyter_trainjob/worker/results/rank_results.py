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
from ..output import secret_masking
from ..pickling import returned_classes, stdlib_reducers
from ..pickling.reducers import Reducers
from .signed_file import SignedFileWriter, flat_view

LIMIT: Final = 2**20
"""Maximum size in bytes of results in frames: of rank 0, and of all others together."""
SMALL: Final = 16 * 2**10
"""Maximum size in bytes of another rank's result in frames, if there is a folder for larger ones."""

VALUE: Final = b"v"
FILE: Final = b"f"
"""Prefixes of a body: of a header and pickles, or of a header that names the file with the pickles."""
REASON_LIMIT: Final = 4096
"""Maximum of characters of the reason why an item is missing."""
VALUE_ITEM: Final = ""
"""Name of the value among the items of a result; the others are names of ``--out``."""


_VALUES: Final = {CELL: "the value of the last expression", FUNCTION: "what the function returned"}
_REMEDIES: Final = {CELL: "End the cell with", FUNCTION: "Return"}

_DIGEST: Final = 32
_PURPOSE: Final = b"trainjob result\0"


class ResultError(Exception):
    """The file with the result cannot be stored; the message contains the reason."""


class _ItemError(Exception):
    """One item of a result cannot be sent; the message contains the reason and the remedy."""

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(reason)
        self.item = item


class SignedResult(NamedTuple):
    """A serialized result."""

    body: bytes
    missing: dict[str, str]
    """Why items are not in it, with the remedy, by name (`VALUE_ITEM` for the value).

    A reason continues ``… was not returned:``.
    """


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
    missing: Mapping[str, str] | None = None,
) -> SignedResult:
    """Serialize a result of up to `limit` bytes; a larger one is written to a file in `folder`, if given.

    An item that cannot be pickled, is too large, or cannot be written to the folder is left out with the reason; it
    does not affect the others. Objects that items share are shared after reading, too. `missing` are reasons for names
    of ``--out`` that have no value.
    """
    missing = dict(missing or {})
    path = None if folder is None else folder / result_file_name(rank)
    while True:
        items = {VALUE_ITEM: value, **out}
        sent = {name: item for name, item in items.items() if name not in missing}
        try:
            body = _dump_items(sent, missing, _ResultStream(limit, path, key), rank=rank, kind=kind)
        except _ItemError as error:
            # The stream may contain a part of the item, to which later items would refer: begin again without it.
            missing[error.item] = str(error)
        else:
            return SignedResult(body, missing)


def missing_sentence(name: str, reason: str, *, kind: str = CELL) -> str:
    """Return the sentence that an item was not returned.

    >>> missing_sentence("weights", "the cell ended without assigning it.")
    '--out weights was not returned: the cell ended without assigning it.'
    """
    label = f"--out {name}" if name else _VALUES[kind][0].upper() + _VALUES[kind][1:]
    return f"{label} was not returned: {reason}"


def dump_refusal(reason: str, *, key: bytes, rank: int) -> bytes:
    """Serialize a result without any item, with the reason."""
    return _signed_items([], {VALUE_ITEM: reason}, b"", key=key, rank=rank)


def result_file_name(rank: int) -> str:
    """Return the name of the file with a rank's result."""
    return f"rank-{rank}"


def result_pickler(stream: Any, *, chained: bool = True) -> Any:
    """Return a pickler of notebook code by value, tensors from any device, and `chained` exceptions."""
    from cloudpickle import Pickler

    class ResultPickler(Pickler):  # type: ignore[misc]
        """Pickles classes of the notebook and tensors."""

        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            self._reducers = Reducers(any_device=True, chained=chained)

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


def _dump_items(
    items: Mapping[str, Any], missing: Mapping[str, str], stream: _ResultStream, *, rank: int, kind: str
) -> bytes:
    """Write the items one after another; return the signed body.

    Raises `_ItemError` for an item that has to be left out; then there is no file.
    """
    value = items.get(VALUE_ITEM)
    # Plain results do not need cloudpickle, whose import takes longer than the rest of the exit.
    plain = not items.keys() - {VALUE_ITEM} and (value is None or type(value) in (bool, int, float, str))
    writer = pickle.Pickler(stream) if plain else result_pickler(stream)
    sizes: dict[str, int] = {}
    try:
        for name, item in items.items():
            before = stream.size
            try:
                writer.dump(item)
            except Exception as error:
                sizes[name] = stream.size - before
                if stream.write_error is not None:
                    raise stream.write_error from None
                raise _ItemError(name, _unpicklable(name, item, error, kind)) from error
            sizes[name] = stream.size - before
        if stream.file_writer is None:
            if stream.size > stream.limit and sizes:
                largest = max(sizes, key=lambda name: sizes[name])
                raise _ItemError(largest, _too_large(sizes[largest], stream.limit))
            return _signed_items(list(items), missing, bytes(stream.buffer), key=stream.key, rank=rank)
        location = {"file": result_file_name(rank), **stream.file_writer.close()._asdict()}
    except OSError as error:
        stream.discard()
        largest = max(sizes, key=lambda name: sizes[name])
        raise _ItemError(largest, _no_room(error, stream)) from error
    except BaseException:
        stream.discard()
        raise
    header = _header(list(items), missing, location)
    return sign(stream.key, FILE + header, rank=rank)


def _signed_items(names: list[str], missing: Mapping[str, str], pickles: bytes, *, key: bytes, rank: int) -> bytes:
    return sign(key, VALUE + _header(names, missing) + b"\n" + pickles, rank=rank)


def _header(names: list[str], missing: Mapping[str, str], location: Mapping[str, Any] | None = None) -> bytes:
    """Return what a reader needs before it unpickles anything, as one line of JSON."""
    reasons = {name: reason[:REASON_LIMIT] for name, reason in missing.items()}
    return json.dumps({"items": names, "missing": reasons, **(location or {})}).encode("ascii")


def _unpicklable(name: str, item: Any, error: Exception, kind: str) -> str:
    remedy = f"Assign to {name}" if name else _REMEDIES[kind]
    cause = secret_masking.mask(f"{type(error).__name__}: {error}")
    return (
        f"a {type(item).__qualname__} cannot be pickled ({cause}). {remedy} something that can: numbers, arrays, a "
        "list, a state_dict."
    )


def _too_large(size: int, limit: int) -> str:
    return (
        f"it is too large for the log: {size:,} bytes, where at most {limit:,} are possible in all. The job has no "
        "folder that the notebook can read: send it with --storage URL (s3://…, gs://…), or save that to a file or a "
        "bucket inside the job and return its path."
    )


def _no_room(error: OSError, stream: _ResultStream) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    why = "the disk of the job's folder is full" if full else f"{error.strerror or error}"
    remedy = (
        "Delete jobs that you no longer need (`%trainjob delete NAME`), or return less." if full else "Return less."
    )
    return f"{why}, after {stream.written:,} bytes at {stream.path}. {remedy}"


class _ResultStream(io.RawIOBase):
    """Buffers what fits into frames; beyond that all data is written to the file, or only counted."""

    def __init__(self, limit: int, path: Path | None, key: bytes) -> None:
        super().__init__()
        self.buffer = bytearray()
        self.size = 0
        self.written = 0
        self.path = path
        self.file_writer: SignedFileWriter | None = None
        self.write_error: OSError | None = None
        """The error that ended writing, if any."""
        self.limit = limit
        self.key = key

    def discard(self) -> None:
        """Delete the file, if any."""
        if self.file_writer is not None:
            self.file_writer.discard()

    def write(self, data: Any) -> int:
        view = flat_view(data)
        self.size += len(view)
        if self.size <= self.limit:
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
            self.file_writer = SignedFileWriter(path, key=self.key)
            self.written = self.file_writer.write(self.buffer)
            self.buffer.clear()
        self.written += self.file_writer.write(view)
