"""The captured values as bytes: what the pickler writes into, and what is delivered.

Small ones stay in memory and travel in a Secret. What is larger goes straight into a draft in the folder where it ends
up, hashed on the way, so that an array of a gigabyte is never in memory twice; delivering it is giving the draft its
name. Where pods see no folder of ours it travels in several Secrets, up to `INLINE_LIMIT`; beyond that it is only
counted, for the error that says how much it is.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from jupyter_trainjob.constants import DRAFT_PREFIX
from jupyter_trainjob.errors import UsageError
from jupyter_trainjob.worker.manifest import Part
from jupyter_trainjob.worker.sealed import flat

PART_SIZE: Final = 1_000_000
"""Bytes of one part: a Secret holds at most 1 MiB."""
INLINE_LIMIT: Final = 16 * 2**20
"""Bytes of captured values that can travel in Secrets."""
CAPTURES_FILE: Final = "captures"

Place = Callable[[], Path | None]
"""Returns the folder for what is large, None where pods cannot see this computer's files. Asked only if needed."""


class Payload(io.RawIOBase):
    """Takes what a pickler writes. It is whole with `finish`, and then read, moved to its place, or dropped."""

    def __init__(self, place: Place = lambda: None, *, small: int = PART_SIZE, name: str = CAPTURES_FILE) -> None:
        super().__init__()
        self.name = name
        """Of the file that it is, if it is one."""
        self.size = 0
        self.broken: OSError | None = None
        """Why no more can be written."""
        self._place = place
        self._small = small
        self._kept = bytearray()
        self._digest = hashlib.sha256()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._folder: Path | None = None
        self._asked = False
        self._drop: Callable[[], object] = lambda: None

    @staticmethod
    def of(data: bytes, place: Place = lambda: None, *, small: int = PART_SIZE, name: str = CAPTURES_FILE) -> Payload:
        """Return a payload that is whole."""
        made = Payload(place, small=small, name=name)
        made.write(data)
        return made.finish()

    @property
    def inline(self) -> bool:
        """Whether it travels in Secrets, not as a file."""
        return self._path is None and self.size <= INLINE_LIMIT

    @property
    def carried(self) -> bool:
        """Whether there is a way to the pods for so much."""
        return self.inline or self._path is not None

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: Any) -> int:
        """Take more; large data goes to the disk from where it is."""
        view = flat(data)
        self.size += len(view)
        try:
            if self._file is None and self.size > self._small:
                self._begin()
            if self._file is not None:
                self._digest.update(view)
                self._file.write(view)
            elif self.inline:
                self._kept += view
            else:
                self._kept.clear()
        except OSError as error:
            self.broken = error
            raise
        return len(view)

    def finish(self) -> Payload:
        """Say that nothing more comes. Raises `errors.UsageError` if the disk does not take it."""
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            raise self.no_room(error) from error
        return self

    def parts(self) -> tuple[Part, ...]:
        """Return the files of which it consists in the pods."""
        if self.inline:
            return tuple(Part(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in self.pieces())
        return (Part(self.name, self.size, self._digest.hexdigest()),)

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each part of a payload that travels in parts."""
        for number, start in enumerate(range(0, len(self._kept), PART_SIZE)):
            yield f"{self.name}-{number:03d}", bytes(self._kept[start : start + PART_SIZE])

    def open(self) -> BinaryIO:
        """Return all of it for reading."""
        return io.BytesIO(self._kept) if self._path is None else self._path.open("rb")

    def move_to(self, path: Path) -> None:
        """Let the file of a payload that is no longer in parts appear at `path`."""
        if self._path is None:
            raise ValueError("there is no file to move")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._path.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            draft = path.with_name(f"{DRAFT_PREFIX}{path.name}")
            shutil.copyfile(self._path, draft)
            draft.chmod(0o600)
            draft.replace(path)
            self._path.unlink()

    def hand_over(self, put: Callable[[Path], object]) -> None:
        """Let `put` take the file of a payload that is no longer in parts to where pods find it."""
        if self._path is None:
            raise ValueError("there is no file to hand over")
        put(self._path)
        self._drop()

    def discard(self) -> None:
        """Take everything back."""
        self._drop()

    def no_room(self, error: OSError) -> UsageError:
        """Return the error for a disk that does not take the payload."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or str(error)
        return UsageError(
            f"The values that the cell uses take more than {self.size / 1e6:,.0f} MB, and could not be written to "
            f"{self._folder}: {why}. Delete jobs that you need no more (`%trainjob delete NAME`), or "
            f"load large data inside the cell. Nothing was sent."
        )

    def _begin(self) -> None:
        """Go over from memory to a file, if there is a folder for it."""
        if self._asked:
            return
        self._asked, self._folder = True, self._place()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path = self._folder / f"{DRAFT_PREFIX}{secrets.token_hex(8)}"
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            self._drop = weakref.finalize(self, _drop, self._path, self._file, os.getpid())
            self._digest.update(self._kept)
            self._file.write(self._kept)
            self._kept.clear()


def _drop(draft: Path, file: BinaryIO, owner: int) -> None:
    """Remove a draft that nobody has sent; a process forked from its owner's leaves it alone."""
    if os.getpid() == owner:
        draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Of a full disk, on which it lies no more.
            file.close()
