"""An exception on its way home: itself, where it can be pickled, and what is needed to show it where it cannot.

Comes after the cell has raised; goes beside the ``error`` message, which is text for every reader. This message is for
the notebook of the job alone: it is signed with the job's key as results are, and nothing of it is unpickled before
that was checked. `client.raising` makes an exception of it that is raised there.
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

from . import files, hidden, results, tracebacks

RAISED: Final = b"x"
"""How the signed body begins: no result can be taken for an exception."""
CHAIN_LIMIT: Final = 16
FRAMES_LIMIT: Final = 60
"""Of each exception: as many from its beginning as from its end."""
PICKLE_LIMIT: Final = 2**16


def dump(error: BaseException, *, key: bytes, rank: int) -> bytes:
    """Pack an exception with those that it came from."""
    chain = list(_chain(error))
    places = {id(each): place for place, each in enumerate(chain)}
    described = [_described(each, places) for each in chain]
    return results.sign(key, RAISED + json.dumps(described).encode("ascii"), rank=rank)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then all that it is linked to, the nearest first."""
    waiting, seen = [error], {id(error)}
    while waiting:
        each = waiting.pop(0)
        yield each
        linked = [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
        for other in linked:
            if isinstance(other, BaseException) and id(other) not in seen and len(seen) < CHAIN_LIMIT:
                seen.add(id(other))
                waiting.append(other)


def _described(error: BaseException, places: dict[int, int]) -> dict[str, Any]:
    kind = type(error)
    return {
        "type": kind.__qualname__,
        "module": kind.__module__,
        "bases": [[base.__module__, base.__qualname__] for base in kind.__mro__],
        "text": tracebacks.text_of(error),
        "pickle": _pickled(error),
        "made": _pickled((kind, error.args, dict(vars(error)))),
        "notes": [hidden.mask(str(note)) for note in getattr(error, "__notes__", ())],
        "frames": _frames(error.__traceback__),
        "cause": places.get(id(error.__cause__)),
        "context": places.get(id(error.__context__)),
        "suppress": error.__suppress_context__,
        "members": [places.get(id(member)) for member in getattr(error, "exceptions", ())],
    }


def _pickled(value: Any) -> str | None:
    stream = io.BytesIO()
    try:
        results.pickler(stream).dump(value)
    except Exception:  # noqa: BLE001 - whatever stands in an exception of somebody
        return None
    data = stream.getvalue()
    if hidden.mask_bytes(data) != data:
        return None
    return base64.b64encode(data).decode("ascii") if len(data) <= PICKLE_LIMIT else None


def _frames(trace: TracebackType | None) -> list[list[Any]]:
    """Return file, line, name, column, last line and last column of each frame that is not the worker's."""
    found = [
        [
            files.shown(frame.filename),
            frame.lineno,
            frame.name,
            getattr(frame, "colno", None),
            getattr(frame, "end_lineno", None),
            getattr(frame, "end_colno", None),
        ]
        for frame in traceback.extract_tb(trace)
        if not tracebacks.is_own(frame.filename)
    ]
    return found if len(found) <= 2 * FRAMES_LIMIT else found[:FRAMES_LIMIT] + found[-FRAMES_LIMIT:]


def read(body: bytes) -> list[dict[str, Any]]:
    """Return what `dump` wrote, from a verified body. Raises `pickle.UnpicklingError` if it is something else."""
    if body[:1] != RAISED:
        raise pickle.UnpicklingError("the message is signed, but it is no exception")
    described: list[dict[str, Any]] = json.loads(body[1:])
    return described
