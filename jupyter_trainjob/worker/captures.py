"""The captured values: files next to ``job.pyz`` become names of the job's ``__main__``.

Each part is held against its hash before anything is unpickled. The values are one pickle stream, one after the other
with a common memo, so what was one object in the notebook is one object here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from . import classes
from .manifest import Manifest, Part, Value
from .protocol import CAPTURES_ENV

CHUNK: Final = 2**20


class SetupError(Exception):
    """The cell cannot even start; the message says why and what to do."""


def load(manifest: Manifest, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the captured names with their values. `folder` holds the parts, unless the environment names another."""
    _check_python(manifest)
    for part in manifest.parts:
        check(part, holds(part, folder))
    with _open(manifest.parts, folder) as stream:
        unpickler = pickle.Unpickler(stream)  # noqa: S301 - our own bundle, held against its hashes
        for value in manifest.values:
            yield value.name, _next(unpickler, value)
    classes.note_arrived()


def changes(manifest: Manifest, folder: Path) -> dict[str, Any]:
    """Return the values that a fork puts in the place of captured ones."""
    changed: dict[str, Any] = {}
    for part, _ in manifest.changes:
        check(part, folder)
        changed |= pickle.loads((folder / part.file).read_bytes())  # noqa: S301 - held against its hash
    return changed


def _next(unpickler: pickle.Unpickler, value: Value) -> Any:
    try:
        return unpickler.load()
    except Exception as error:
        raise SetupError(_cannot_load(value, error)) from error


def _check_python(manifest: Manifest) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if manifest.has_code and here != manifest.python:
        raise SetupError(
            f"This image has Python {here}, the notebook has {manifest.python}, and functions or classes of the "
            f"notebook cannot travel between the two. Choose a runtime or an image with Python {manifest.python}, or "
            f"define everything that the job needs inside the cell."
        )


def holds(part: Part, folder: Path) -> Path:
    """Return the folder that holds a part: that for large ones which the environment names, or `folder`."""
    large = os.environ.get(CAPTURES_ENV)
    return Path(large) if large and (Path(large) / part.file).is_file() else folder


def check(part: Part, folder: Path) -> None:
    """Hold a part against what was sent; raise `SetupError` if it is something else, or not there."""
    digest, size = hashlib.sha256(), 0
    try:
        with (folder / part.file).open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise SetupError(
            f"The captured values are not there: {folder / part.file}: {error.strerror or error}. The Secrets of this "
            f"job, or the files that they stand for, are gone or are not mounted. Send the job again."
        ) from error
    if size != part.size or digest.hexdigest() != part.sha256:
        raise SetupError(
            f"{folder / part.file} is not what was sent: {size:,} bytes where {part.size:,} were expected, or another "
            f"content. Somebody changed it, or another job's bundle is mounted. Send the job again."
        )


def _open(parts: tuple[Part, ...], folder: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if len(parts) == 1:  # It may be far larger than what should lie in memory twice.
        return (holds(parts[0], folder) / parts[0].file).open("rb")
    return io.BytesIO(b"".join((folder / part.file).read_bytes() for part in parts))


def _cannot_load(value: Value, error: Exception) -> str:
    what = f"The notebook's {value.name!r} ({value.type}) cannot be loaded here: {type(error).__name__}: {error}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"{what} Python {platform.python_version()} at {sys.executable} has no module {error.name!r}: choose an "
            f"image or a runtime that has it."
        )
    return f"{what} Are the libraries here as new as the notebook's? Or make {value.name!r} inside the cell."
