"""Serialize an exception: pickled where that works, with what is needed to show it where not.

Sent after the ``error`` message, which is text for every reader. This message is for the job's notebook only: it is
signed with the job's key like results, and nothing of it is unpickled before the signature was verified.
`client.results.remote_exception` creates the exception that is raised there.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from ..output import secret_masking
from ..storage import packed_modules
from . import rank_results, tracebacks

RAISED: Final = b"x"
"""Prefix of the signed body, so that it cannot be mistaken for a result."""
CHAIN_LIMIT: Final = 16
FRAMES_LIMIT: Final = 60
"""Maximum of frames at the start, and at the end, of each traceback."""
PICKLE_LIMIT: Final = 2**16


def dump_exception(error: BaseException, *, key: bytes, rank: int) -> bytes:
    """Serialize an exception with its causes, contexts and members, signed with `key`."""
    chain = list(_chain(error))
    indices = {id(exception): index for index, exception in enumerate(chain)}
    described = [_describe(exception, indices) for exception in chain]
    return rank_results.sign(key, RAISED + json.dumps(described).encode("ascii"), rank=rank)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then all linked ones, breadth first."""
    waiting, visited = [error], {id(error)}
    while waiting:
        exception = waiting.pop(0)
        yield exception
        linked = [exception.__cause__, exception.__context__, *getattr(exception, "exceptions", ())]
        for linked_exception in linked:
            if (
                isinstance(linked_exception, BaseException)
                and id(linked_exception) not in visited
                and len(visited) < CHAIN_LIMIT
            ):
                visited.add(id(linked_exception))
                waiting.append(linked_exception)


def _describe(error: BaseException, indices: dict[int, int]) -> dict[str, Any]:
    kind = type(error)
    return {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "bases": [[base.__module__, base.__qualname__] for base in kind.__mro__],
        "text": tracebacks.error_text(error),
        "pickle": _pickle_or_none(error),
        "made": _pickle_or_none((kind, error.args, dict(vars(error)))),
        "notes": [secret_masking.mask(str(note)) for note in getattr(error, "__notes__", ())],
        "frames": _frames(error.__traceback__),
        "cause": indices.get(id(error.__cause__)),
        "context": indices.get(id(error.__context__)),
        "suppress": error.__suppress_context__,
        "members": [indices.get(id(member)) for member in getattr(error, "exceptions", ())],
    }


def _pickle_or_none(value: Any) -> str | None:
    stream = io.BytesIO()
    try:
        rank_results.result_pickler(stream, chained=False).dump(value)
    except Exception:  # noqa: BLE001 - an exception can contain anything
        return None
    data = stream.getvalue()
    if secret_masking.mask_bytes(data) != data:
        return None
    return base64.b64encode(data).decode("ascii") if len(data) <= PICKLE_LIMIT else None


def _frames(trace: TracebackType | None) -> list[list[Any]]:
    """Return file, line, name, column, end line and end column of each frame outside of the worker."""
    frames = [
        [
            packed_modules.displayed_path(frame.filename),
            frame.lineno,
            frame.name,
            getattr(frame, "colno", None),
            getattr(frame, "end_lineno", None),
            getattr(frame, "end_colno", None),
        ]
        for frame in traceback.extract_tb(trace)
        if not tracebacks.is_worker_code(frame.filename)
    ]
    return frames if len(frames) <= 2 * FRAMES_LIMIT else frames[:FRAMES_LIMIT] + frames[-FRAMES_LIMIT:]


def parse_exceptions(body: bytes) -> list[dict[str, Any]]:
    """Parse a verified body of `dump_exception`. Raises `pickle.UnpicklingError` if it is something else."""
    if body[:1] != RAISED:
        raise pickle.UnpicklingError("the message is signed, but it is no exception")
    described: list[dict[str, Any]] = json.loads(body[1:])
    return described
