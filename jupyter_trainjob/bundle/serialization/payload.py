"""The captured values as bytes: the stream that the pickler writes to, and that is delivered.

Small payloads stay in memory and are sent in a Secret. Larger ones are written to a draft in their target folder and
hashed on the way, so that a large array is never in memory twice; the draft is renamed for delivery. Where pods cannot
mount a folder of this computer, they are sent in several Secrets, up to `INLINE_LIMIT`; beyond that bytes are only
counted, for the error message.
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
from jupyter_trainjob.worker.results.signed_file import flat_view

PART_SIZE: Final = 1_000_000
"""Bytes of one part: a Secret is limited to 1 MiB."""
INLINE_LIMIT: Final = 16 * 2**20
"""Maximum of bytes of captured values that are sent in Secrets."""
CAPTURES_FILE: Final = "captures"

SpillDir = Callable[[], Path | None]
"""Returns the folder for large payloads, None if pods cannot mount this computer's folders; called only if needed."""


class Payload(io.RawIOBase):
    """A write-only stream. After `finish` it is complete, and can be read, moved, uploaded or discarded."""

    def __init__(
        self, spill_dir: SpillDir = lambda: None, *, inline_size: int = PART_SIZE, name: str = CAPTURES_FILE
    ) -> None:
        super().__init__()
        self.name = name
        """Name of the file, and prefix of the names of parts."""
        self.size = 0
        self.write_error: OSError | None = None
        """The error that ended writing, if any."""
        self._spill_dir = spill_dir
        self._inline_size = inline_size
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._folder: Path | None = None
        self._spill_dir_requested = False
        self._drop: Callable[[], object] = lambda: None

    @staticmethod
    def from_bytes(
        data: bytes, spill_dir: SpillDir = lambda: None, *, inline_size: int = PART_SIZE, name: str = CAPTURES_FILE
    ) -> Payload:
        """Return a complete payload."""
        payload = Payload(spill_dir, inline_size=inline_size, name=name)
        payload.write(data)
        return payload.finish()

    @property
    def inline(self) -> bool:
        """Whether it is sent in Secrets, not as a file."""
        return self._path is None and self.size <= INLINE_LIMIT

    @property
    def deliverable(self) -> bool:
        """Whether it can be sent: it is small enough for Secrets, or there is a file."""
        return self.inline or self._path is not None

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; large data is written to the disk without a copy."""
        view = flat_view(data)
        self.size += len(view)
        try:
            if self._file is None and self.size > self._inline_size:
                self._spill()
            if self._file is not None:
                self._digest.update(view)
                self._file.write(view)
            elif self.inline:
                self._buffer += view
            else:
                self._buffer.clear()
        except OSError as error:
            self.write_error = error
            raise
        return len(view)

    def finish(self) -> Payload:
        """Complete the payload. Raises `errors.UsageError` if the disk is full."""
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            raise self.disk_error(error) from error
        return self

    def parts(self) -> tuple[Part, ...]:
        """Return the files of the payload in the pods."""
        if self.inline:
            return tuple(Part(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in self.pieces())
        return (Part(self.name, self.size, self._digest.hexdigest()),)

    def pieces(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each part of an inline payload."""
        for number, start in enumerate(range(0, len(self._buffer), PART_SIZE)):
            yield f"{self.name}-{number:03d}", bytes(self._buffer[start : start + PART_SIZE])

    def open(self) -> BinaryIO:
        """Open the whole payload for reading."""
        return io.BytesIO(self._buffer) if self._path is None else self._path.open("rb")

    def move_to(self, path: Path) -> None:
        """Move the file of the payload to `path`, atomically. Raises ValueError if it is inline."""
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

    def upload(self, put: Callable[[Path], object]) -> None:
        """Call `put` with the file of the payload, then remove the file. Raises ValueError if it is inline."""
        if self._path is None:
            raise ValueError("there is no file to hand over")
        put(self._path)
        self._drop()

    def discard(self) -> None:
        """Remove the draft."""
        self._drop()

    def disk_error(self, error: OSError) -> UsageError:
        """Return the error for a disk that cannot store the payload."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or str(error)
        return UsageError(
            f"The captured values are more than {self.size / 1e6:,.0f} MB, and could not be written to "
            f"{self._folder}: {why}. Delete jobs that you no longer need (`%trainjob delete NAME`), or "
            f"load large data inside the job. Nothing was sent."
        )

    def _spill(self) -> None:
        """Switch from memory to a file, if there is a folder for it."""
        if self._spill_dir_requested:
            return
        self._spill_dir_requested, self._folder = True, self._spill_dir()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path = self._folder / f"{DRAFT_PREFIX}{secrets.token_hex(8)}"
            self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            self._drop = weakref.finalize(self, _drop, self._path, self._file, os.getpid())
            self._digest.update(self._buffer)
            self._file.write(self._buffer)
            self._buffer.clear()


def _drop(draft: Path, file: BinaryIO, owner: int) -> None:
    """Remove an unsent draft, except in a process forked from its owner."""
    if os.getpid() == owner:
        draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # A full disk; the draft is removed already.
            file.close()
