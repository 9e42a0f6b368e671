"""Reading what a rank sent back: verified with the job's key, then unpickled, with the notebook's own classes.

In: the body of a ``result`` message, and a way to open the files of the job's folder. Out: the value and the names of
``--out``. See `worker.results` for the other side.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client import folder
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.worker import classes
from jupyter_trainjob.worker.protocol import RESULTS_FOLDER
from jupyter_trainjob.worker.results import FILE, REFUSED, ForgedResult, verify
from jupyter_trainjob.worker.sealed import BrokenSeal, Readable, Seal, Unsealer

Opener = Callable[[str], BinaryIO]
"""Opens a file with a result by its name."""


class NoResult(Exception):
    """The rank could not send its result; the message says why and what to do."""


class Unreadable(Exception):
    """The value is there and genuine, but this Python cannot make it again; the message says why and what to do."""


def from_folder(connection: Connection, trainjob: Object) -> Opener:
    """Return what opens the files with results of a job."""

    def opener(name: str) -> BinaryIO:
        found = folder.of(connection, trainjob)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "the job has no folder", name)
        return found.read(f"{RESULTS_FOLDER}/{name}")

    return opener


def _nowhere(name: str) -> BinaryIO:
    raise FileNotFoundError(name)


def load(signed: bytes, *, key: bytes, rank: int = 0, opener: Opener = _nowhere) -> tuple[Any, dict[str, Any]]:
    """Unpack a result.

    Raises `ForgedResult` before anything is unpickled, `NoResult` if the rank says why there is none, `OSError` if its
    file cannot be read, `Unreadable` where what its value is made of is not here.
    """
    body = verify(key, signed, rank=rank)
    kind, rest = body[:1], body[1:]
    if kind == REFUSED:
        raise NoResult(rest.decode(errors="replace"))
    try:
        return _unpickled(lambda: _stream(kind, rest, key, opener))
    except BrokenSeal as error:
        raise ForgedResult(
            f"The file with the result of rank {rank} does not carry the job's signature: {error}. Nothing of what is "
            f"not genuine was unpickled."
        ) from error
    except (OSError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise Unreadable(
            f"it needs the module {error.name!r}, which is only where the job ran. Install it here (pip install "
            f"{package}, in the version that the job had), or let the cell return plain data: numbers, lists, dicts."
        ) from error
    except Exception as error:
        raise Unreadable(
            f"{type(error).__name__}: {error}. As a rule a library has another version than where the job ran: install "
            "the same one here, or let the cell return plain data: numbers, lists, dicts."
        ) from error


def _stream(kind: bytes, rest: bytes, key: bytes, opener: Opener) -> contextlib.AbstractContextManager[Any]:
    if kind != FILE:
        return contextlib.nullcontext(io.BytesIO(rest))
    where = json.loads(rest)
    return _unsealed(opener(where["file"]), Seal(int(where["size"]), str(where["nonce"])), key)


@contextlib.contextmanager
def _unsealed(file: BinaryIO, seal: Seal, key: bytes) -> Iterator[Unsealer]:
    with file:
        yield Unsealer(cast("Readable", file), seal, key=key)


def _unpickled(
    open_stream: Callable[[], contextlib.AbstractContextManager[Any]],
) -> tuple[Any, dict[str, Any]]:
    """Unpickle everything; where classes have changed too much since, with those that were sent."""
    try:
        with open_stream() as stream:
            return _values(stream)
    except (BrokenSeal, OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - whatever a class that has changed since makes of the state of its instances
        with classes.as_sent(), open_stream() as stream:
            return _values(stream)


def _values(stream: Any) -> tuple[Any, dict[str, Any]]:
    unpickler = pickle.Unpickler(stream)  # noqa: S301 - verified
    names = unpickler.load()
    value = unpickler.load()
    return value, {name: unpickler.load() for name in names}
