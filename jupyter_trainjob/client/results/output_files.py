"""``job.files``: the files in ``output_dir()`` of the ranks, during the run and afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jupyter_trainjob.client.results.job_folder import LocalFolder, StoredFolder
from jupyter_trainjob.worker.protocol import OUTPUT_FOLDER


@dataclass(frozen=True)
class File:
    """One file that a job has written."""

    name: str
    """Path relative to the output folder."""
    size: int
    """Bytes, at the time of listing."""
    modified: float
    """Unix seconds."""
    folder: LocalFolder | StoredFolder

    def open(self) -> BinaryIO:
        """Open the file for reading. Raises `OSError` if it no longer exists."""
        return self.folder.read(f"{OUTPUT_FOLDER}/{self.name}")

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the text of the file."""
        with self.open() as file:
            return file.read().decode(encoding)

    def save(self, to: str | Path = ".") -> Path:
        """Copy the file to a path, or under its own name into an existing folder; return the new path.

        An existing file is replaced only after the whole file has been read.
        """
        path = Path(to)
        if path.is_dir():
            path = path / Path(self.name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.open() as source:
            number, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
            try:
                with os.fdopen(number, "wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
                Path(draft).chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
                Path(draft).replace(path)
            except BaseException:
                Path(draft).unlink()
                raise
        return path


class Files(Mapping[str, File]):
    """The files of a job's output folder, by their paths in it."""

    def __init__(self, folder: LocalFolder | StoredFolder | None) -> None:
        self.folder = folder

    @property
    def path(self) -> Path | None:
        """Return the path of the folder if it is on this computer; else None."""
        local = None if self.folder is None else self.folder.local
        return None if local is None else local / OUTPUT_FOLDER

    def __getitem__(self, name: str) -> File:
        return self._list_files()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._list_files())

    def __len__(self) -> int:
        return len(self._list_files())

    def items(self) -> ItemsView[str, File]:
        """Return names and files; the folder is listed once."""
        return self._list_files().items()

    def values(self) -> ValuesView[File]:
        """Return the files; the folder is listed once."""
        return self._list_files().values()

    def __repr__(self) -> str:
        files = self._list_files()
        if not files:
            return "<no files: the job has written nothing into output_dir()>"
        width = max(map(len, files))
        return "\n".join(f"{name:<{width}}  {file.size:>14,} B" for name, file in files.items())

    def _list_files(self) -> dict[str, File]:
        if self.folder is None:
            return {}
        start = f"{OUTPUT_FOLDER}/"
        return {
            path.removeprefix(start): File(path.removeprefix(start), entry.size, entry.modified, self.folder)
            for path, entry in self.folder.list(OUTPUT_FOLDER).items()
        }


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
