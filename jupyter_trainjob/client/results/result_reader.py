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
from typing import Any, BinaryIO, NamedTuple, cast

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.results import job_folder
from jupyter_trainjob.worker.pickling import returned_classes
from jupyter_trainjob.worker.protocol import RESULTS_FOLDER
from jupyter_trainjob.worker.results.rank_results import FILE, VALUE_ITEM, ForgedResult, verify
from jupyter_trainjob.worker.results.signed_file import FileSeal, InvalidSignature, Readable, SignedFileReader

Opener = Callable[[str], BinaryIO]
"""Opens a result file by its name."""


class RankResult(NamedTuple):
    """What a rank has sent back."""

    value: Any
    """None also if it is missing."""
    out: dict[str, Any]
    """The values of ``--out`` by name."""
    missing: dict[str, str]
    """Why the rank could not send items, with the remedy, by name; of the value under `VALUE_ITEM`."""
    unreadable: dict[str, str]
    """Why items cannot be unpickled here, though they were sent, with the remedy, by name."""


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


def load_result(signed: bytes, *, key: bytes, rank: int = 0, opener: Opener = _no_file) -> RankResult:
    """Verify and unpickle a signed result.

    Raises `ForgedResult` for a wrong signature (nothing is unpickled then), and `OSError` if the result file cannot be
    read.
    """
    body = verify(key, signed, rank=rank)
    head, _, pickles = body[1:].partition(b"\n")
    header = json.loads(head)

    def open_pickles() -> contextlib.AbstractContextManager[Any]:
        if body[:1] != FILE:
            return contextlib.nullcontext(io.BytesIO(pickles))
        seal = FileSeal(int(header["size"]), str(header["nonce"]))
        return _open_sealed(opener(header["file"]), seal, key)

    try:
        values, unreadable = _unpickle(header["items"], open_pickles)
    except InvalidSignature as error:
        raise ForgedResult(
            f"The file with the result of rank {rank} does not carry the job's signature: {error}. Nothing was "
            "unpickled after the failed check."
        ) from error
    return RankResult(values.pop(VALUE_ITEM, None), values, header["missing"], unreadable)


@contextlib.contextmanager
def _open_sealed(file: BinaryIO, seal: FileSeal, key: bytes) -> Iterator[SignedFileReader]:
    with file:
        yield SignedFileReader(cast("Readable", file), seal, key=key)


def _unpickle(
    names: list[str], open_pickles: Callable[[], contextlib.AbstractContextManager[Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the items, and the reasons for those that cannot be unpickled here.

    If a class has changed incompatibly, they are unpickled once more, with the classes as they were sent.
    """
    with open_pickles() as stream:
        values, unreadable = _load_items(names, stream)
    if unreadable:
        with returned_classes.as_sent(), open_pickles() as stream:
            again = _load_items(names, stream)
        if len(again[1]) < len(unreadable):
            return again
    return values, unreadable


def _load_items(names: list[str], stream: Any) -> tuple[dict[str, Any], dict[str, str]]:
    unpickler = pickle.Unpickler(stream)  # noqa: S301 - verified
    values: dict[str, Any] = {}
    for number, name in enumerate(names):
        try:
            values[name] = unpickler.load()
        except (InvalidSignature, OSError, MemoryError):  # noqa: PERF203 - few items
            raise
        except Exception as error:  # noqa: BLE001 - unpickling runs code of any class
            reason = _unreadable(error)
            follows = f"it may share objects with {name or 'the value'}, which cannot be read: {reason}"
            return values, {name: reason, **dict.fromkeys(names[number + 1 :], follows)}
    return values, {}


def _unreadable(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        return (
            f"it needs the module {error.name!r}, which is installed only where the job ran. Install it here (pip "
            f"install {package}, in the version that the job had), or let the job return plain data: numbers, lists, "
            "dicts."
        )
    return (
        f"{type(error).__name__}: {error}. Usually a library has another version than where the job ran: install "
        "the same one here, or let the job return plain data: numbers, lists, dicts."
    )
