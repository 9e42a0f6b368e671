"""The captured values: files next to ``job.pyz`` become names of the job's ``__main__``.

The hash of each part is verified before anything is unpickled. All values share one pickle stream and its memo, so
that one object of the notebook stays one object in the job.
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

from .manifest import Manifest, Part, Value
from .pickling import returned_classes
from .protocol import CAPTURES_ENV

CHUNK_BYTES: Final = 2**20


class SetupError(Exception):
    """The program cannot be started; the message contains the cause and the remedy."""


def load_values(manifest: Manifest, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the captured names with their values, from parts in `folder` or in that of `CAPTURES_ENV`.

    Raises `SetupError` if a part is missing or changed, if a value cannot be unpickled, or if the image has another
    Python version than the notebook and code was captured.
    """
    _check_python(manifest)
    for part in manifest.parts:
        verify_part(part, part_folder(part, folder))
    with _open_parts(manifest.parts, folder) as stream:
        unpickler = pickle.Unpickler(stream)  # noqa: S301 - our own bundle, its hashes verified
        for value in manifest.values:
            yield value.name, _load_next(unpickler, value)
    returned_classes.record_arrived()


def load_changes(manifest: Manifest, folder: Path) -> dict[str, Any]:
    """Return the values by which a fork replaces captured ones."""
    changed: dict[str, Any] = {}
    for part, _ in manifest.changes:
        verify_part(part, folder)
        changed |= pickle.loads((folder / part.file).read_bytes())  # noqa: S301 - its hash was verified
    return changed


def _load_next(unpickler: pickle.Unpickler, value: Value) -> Any:
    try:
        return unpickler.load()
    except Exception as error:
        raise SetupError(_cannot_load(value, error)) from error


def _check_python(manifest: Manifest) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if manifest.has_code and here != manifest.python:
        raise SetupError(
            f"This image has Python {here}, the notebook has {manifest.python}, and functions or classes of the "
            f"notebook cannot be sent from one to the other. Choose a runtime or an image with Python "
            f"{manifest.python}, or define everything that the job needs in the cell that you send."
        )


def part_folder(part: Part, folder: Path) -> Path:
    """Return the folder with a part: that of `CAPTURES_ENV` if the part is there, else `folder`."""
    large = os.environ.get(CAPTURES_ENV)
    return Path(large) if large and (Path(large) / part.file).is_file() else folder


def verify_part(part: Part, folder: Path) -> None:
    """Verify the size and hash of a part; raise `SetupError` if it is missing or changed."""
    digest, size = hashlib.sha256(), 0
    try:
        with (folder / part.file).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise SetupError(
            f"The captured values cannot be read: {folder / part.file}: {error.strerror or error}. The job's Secrets, "
            f"or the files that they refer to, were deleted or are not mounted. Send the job again."
        ) from error
    if size != part.size or digest.hexdigest() != part.sha256:
        raise SetupError(
            f"{folder / part.file} differs from what was sent: it has {size:,} bytes, {part.size:,} were expected, or "
            f"its hash differs. It was changed, or another job's bundle is mounted. Send the job again."
        )


def _open_parts(parts: tuple[Part, ...], folder: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if len(parts) == 1:  # It may be too large to be in memory twice.
        return (part_folder(parts[0], folder) / parts[0].file).open("rb")
    return io.BytesIO(b"".join((folder / part.file).read_bytes() for part in parts))


def _cannot_load(value: Value, error: Exception) -> str:
    failure = f"The notebook's {value.name!r} ({value.type}) cannot be loaded here: {type(error).__name__}: {error}."
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"{failure} Python {platform.python_version()} at {sys.executable} has no module {error.name!r}: choose an "
            f"image or a runtime that has it."
        )
    return (
        f"{failure} Check that the image's libraries are as new as the notebook's, or create {value.name!r} inside "
        f"the job."
    )
