"""The folder of a job, as its user sees it: what the ranks wrote there, while they run and after.

In: a job. Out: a `Folder`, None for a job that has none. Where it lies is read off the job's own patch, since that is
what its pods got.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle import copying, storage
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.worker.stores import NoStore, Store


class Entry(NamedTuple):
    """A file of the folder."""

    size: int
    modified: float
    """Unix seconds."""


@dataclass(frozen=True)
class Folder:
    """The folder of a job on this computer."""

    local: Path

    def read(self, path: str) -> BinaryIO:
        """Open a file by its relative path. Raises `OSError` if it is not there, or leads out of the folder."""
        inside = (self.local / path).resolve()
        if not inside.is_relative_to(self.local.resolve()):
            raise PermissionError(f"{path} leads out of the job's folder")
        if inside.exists() and not inside.is_file():
            raise OSError(
                f"{path} is no regular file, but a folder, a pipe or a device: it cannot be read from outside"
            )
        return inside.open("rb")

    def list(self, prefix: str = "") -> dict[str, Entry]:
        """Return the files below `prefix` by their path relative to the folder; drafts and links are none of them."""
        found = {}
        for folder, _, names in os.walk(self.local / prefix):
            for name in names:
                path = Path(folder, name)
                if path.is_symlink() or name.startswith("."):
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:  # It went while we looked.
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                found[path.relative_to(self.local).as_posix()] = Entry(status.st_size, status.st_mtime)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class StoredFolder:
    """The folder of a job behind a URL."""

    url: str

    @property
    def local(self) -> None:
        """Return nothing: it is none of this computer."""

    def store(self) -> Store:
        """Return where it lies. Raises `errors.UsageError` where no library here can read it."""
        try:
            return Store(self.url)
        except NoStore as error:
            raise errors.UsageError(
                f"{self.url} cannot be read: {error}. Install it beside this package, such as s3fs or gcsfs."
            ) from error

    def read(self, path: str) -> BinaryIO:
        """Open a file by its relative path. Raises `OSError` if it is not there, else `errors.StorageError`."""
        with storage.explained(self.url):
            return self.store().open(path)

    def list(self, prefix: str = "") -> dict[str, Entry]:
        """Return the files below `prefix` by their path relative to the folder, without what is still on its way."""
        with storage.explained(self.url):
            found = self.store().whole(prefix)
        return {path: Entry(*stored) for path, stored in found.items() if not path.rpartition("/")[2].startswith(".")}


def of(connection: Connection, trainjob: Object) -> Folder | StoredFolder | None:
    """Return the folder of a job. Raises `errors.UsageError` if it lies in a claim, which only pods can read."""
    stored = storage.of(trainjob["spec"])
    if stored is not None and stored.claim is not None:
        raise errors.UsageError(
            f"What {trainjob['metadata']['name']} writes lies in the PersistentVolumeClaim {stored.claim}, in "
            f"{stored.path}, and only pods can read that. Mount the claim in a pod of your own, or store what the "
            "notebook is to read behind a URL: --storage s3://…, gs://… or file:///…."
        )
    if stored is not None:
        return StoredFolder(stored.url)
    path = copying.folder(trainjob["spec"]) if connection.embedded else None
    return None if path is None else Folder(path)
