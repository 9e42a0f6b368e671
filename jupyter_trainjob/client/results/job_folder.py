"""Read the files in a job's folder, during the run and afterwards.

`find_job_folder` takes the location from the TrainJob's runtime patch, which is also what its pods received.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle import bundle_copy, storage_location
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.worker.storage.fsspec_store import FsspecStore, NoStoreLibrary


class FileEntry(NamedTuple):
    """Size and time of a file in a job's folder."""

    size: int
    """Bytes."""
    modified: float
    """Unix seconds."""


@dataclass(frozen=True)
class LocalFolder:
    """A job's folder on this computer."""

    local: Path

    def read(self, path: str) -> BinaryIO:
        """Open a file by its relative path. Raises `OSError` if it does not exist or is outside of the folder."""
        target = (self.local / path).resolve()
        if not target.is_relative_to(self.local.resolve()):
            raise PermissionError(f"{path} is outside of the job's folder")
        if target.exists() and not target.is_file():
            raise OSError(f"{path} is not a regular file, but a folder, a pipe or a device, and cannot be read")
        return target.open("rb")

    def list(self, prefix: str = "") -> dict[str, FileEntry]:
        """Return the files below `prefix` by their path relative to the folder, without hidden files and links."""
        entries = {}
        for folder, _, names in os.walk(self.local / prefix):
            for name in names:
                path = Path(folder, name)
                if path.is_symlink() or name.startswith("."):
                    continue
                try:
                    status = path.stat()
                except FileNotFoundError:  # It was deleted meanwhile.
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                entries[path.relative_to(self.local).as_posix()] = FileEntry(status.st_size, status.st_mtime)
        return dict(sorted(entries.items()))


@dataclass(frozen=True)
class StoredFolder:
    """A job's folder in a store that fsspec reads, such as ``s3://``."""

    url: str

    @property
    def local(self) -> None:
        """Return None, since the folder is not on this computer."""

    def store(self) -> FsspecStore:
        """Return the store. Raises `errors.UsageError` if the library for its protocol is not installed."""
        try:
            return FsspecStore(self.url)
        except NoStoreLibrary as error:
            raise errors.UsageError(
                f"{self.url} cannot be read: {error}. Install it beside this package, such as s3fs or gcsfs."
            ) from error

    def read(self, path: str) -> BinaryIO:
        """Open a file by its relative path. Raises `OSError` if it does not exist, `errors.StorageError` otherwise."""
        with storage_location.translate_errors(self.url):
            return self.store().open(path)

    def list(self, prefix: str = "") -> dict[str, FileEntry]:
        """Return the files below `prefix` by their path relative to the folder, without incomplete uploads."""
        with storage_location.translate_errors(self.url):
            files = self.store().complete_files(prefix)
        return {
            path: FileEntry(*stored) for path, stored in files.items() if not path.rpartition("/")[2].startswith(".")
        }


def find_job_folder(connection: Connection, trainjob: KubeObject) -> LocalFolder | StoredFolder | None:
    """Return the folder of a job; None if it has none.

    Raises `errors.UsageError` if the folder is in a PersistentVolumeClaim, which only pods can read.
    """
    stored = storage_location.storage_of_job(trainjob["spec"])
    if stored is not None and stored.claim is not None:
        raise errors.UsageError(
            f"The files of {trainjob['metadata']['name']} are in the PersistentVolumeClaim {stored.claim}, in "
            f"{stored.path}, which only pods can read. Mount the claim in a pod of your own, or use a store that the "
            "notebook can read, too: --storage s3://…, gs://… or file:///…."
        )
    if stored is not None:
        return StoredFolder(stored.url)
    path = bundle_copy.local_folder(trainjob["spec"]) if connection.embedded else None
    return None if path is None else LocalFolder(path)
