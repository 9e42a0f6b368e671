"""Read the result of a rank: verify it with the job's key, then unpickle it.

`load_result` takes the body of a ``result`` message and a function that opens files of the job's folder.
`worker.results.rank_results` writes the results.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.results import job_folder
from jupyter_trainjob.worker.pickling import returned_classes
from jupyter_trainjob.worker.protocol import RESULTS_FOLDER
from jupyter_trainjob.worker.results.rank_results import FILE, REFUSED, ForgedResult, verify
from jupyter_trainjob.worker.results.signed_file import FileSeal, InvalidSignature, Readable, SignedFileReader

Opener = Callable[[str], BinaryIO]
"""Opens a result file by its name."""


class ResultRefused(Exception):
    """The rank could not send its result; the message has the reason and the remedy."""


class UnreadableResult(Exception):
    """The result is genuine but cannot be unpickled here; the message has the reason and the remedy."""


def result_opener(connection: Connection, trainjob: KubeObject) -> Opener:
    """Return a function that opens the result files of a job; it raises `OSError` if there is none."""

    def opener(name: str) -> BinaryIO:
        folder = job_folder.find_job_folder(connection, trainjob)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, "the job has no folder", name)
        return folder.read(f"{RESULTS_FOLDER}/{name}")

    return opener


def _no_file(name: str) -> BinaryIO:
    raise FileNotFoundError(name)


def load_result(signed: bytes, *, key: bytes, rank: int = 0, opener: Opener = _no_file) -> tuple[Any, dict[str, Any]]:
    """Verify and unpickle a signed result; return its value and the values of ``--out`` by name.

    Raises `ForgedResult` for a wrong signature (nothing is unpickled then), `ResultRefused` if the rank could not send
    its result, `OSError` if the result file cannot be read, and `UnreadableResult` if unpickling fails here.
    """
    body = verify(key, signed, rank=rank)
    kind, rest = body[:1], body[1:]
    if kind == REFUSED:
        raise ResultRefused(rest.decode(errors="replace"))
    try:
        return _unpickle(lambda: _open_stream(kind, rest, key, opener))
    except InvalidSignature as error:
        raise ForgedResult(
            f"The file with the result of rank {rank} does not carry the job's signature: {error}. Nothing was "
            "unpickled after the failed check."
        ) from error
    except (OSError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise UnreadableResult(
            f"it needs the module {error.name!r}, which is installed only where the job ran. Install it here (pip "
            f"install {package}, in the version that the job had), or let the job return plain data: numbers, lists, "
            "dicts."
        ) from error
    except Exception as error:
        raise UnreadableResult(
            f"{type(error).__name__}: {error}. Usually a library has another version than where the job ran: install "
            "the same one here, or let the job return plain data: numbers, lists, dicts."
        ) from error


def _open_stream(kind: bytes, rest: bytes, key: bytes, opener: Opener) -> contextlib.AbstractContextManager[Any]:
    if kind != FILE:
        return contextlib.nullcontext(io.BytesIO(rest))
    location = json.loads(rest)
    return _open_sealed(opener(location["file"]), FileSeal(int(location["size"]), str(location["nonce"])), key)


@contextlib.contextmanager
def _open_sealed(file: BinaryIO, seal: FileSeal, key: bytes) -> Iterator[SignedFileReader]:
    with file:
        yield SignedFileReader(cast("Readable", file), seal, key=key)


def _unpickle(
    open_stream: Callable[[], contextlib.AbstractContextManager[Any]],
) -> tuple[Any, dict[str, Any]]:
    """Unpickle the result; if a class has changed incompatibly, with the classes as they were sent."""
    try:
        with open_stream() as stream:
            return _load_values(stream)
    except (InvalidSignature, OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - unpickling runs code of changed classes
        with returned_classes.as_sent(), open_stream() as stream:
            return _load_values(stream)


def _load_values(stream: Any) -> tuple[Any, dict[str, Any]]:
    unpickler = pickle.Unpickler(stream)  # noqa: S301 - verified
    names = unpickler.load()
    value = unpickler.load()
    return value, {name: unpickler.load() for name in names}
