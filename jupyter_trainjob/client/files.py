"""``job.files``: what the ranks wrote into ``output_dir()``, while they run and after."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jupyter_trainjob.client.folder import Folder, StoredFolder
from jupyter_trainjob.worker.protocol import OUTPUT_FOLDER


@dataclass(frozen=True)
class File:
    """One file that a job has written."""

    name: str
    """Its path in the folder."""
    size: int
    """Bytes, when it was looked at."""
    modified: float
    """Unix seconds."""
    folder: Folder | StoredFolder

    def open(self) -> BinaryIO:
        """Open it for reading. Raises `OSError` if it is gone."""
        return self.folder.read(f"{OUTPUT_FOLDER}/{self.name}")

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return its text."""
        with self.open() as file:
            return file.read().decode(encoding)

    def save(self, to: str | Path = ".") -> Path:
        """Copy it to a path, or into a folder under its own name, and return where it lies now.

        What lies there already stays until all of it is read.
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

    def __init__(self, folder: Folder | StoredFolder | None) -> None:
        self.folder = folder

    @property
    def path(self) -> Path | None:
        """Return the folder itself, where it is one of this computer."""
        local = None if self.folder is None else self.folder.local
        return None if local is None else local / OUTPUT_FOLDER

    def __getitem__(self, name: str) -> File:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def items(self) -> ItemsView[str, File]:
        """Return names and files, as they are now: the folder is listed once."""
        return self._found().items()

    def values(self) -> ValuesView[File]:
        """Return the files, as they are now: the folder is listed once."""
        return self._found().values()

    def __repr__(self) -> str:
        found = self._found()
        if not found:
            return "<no files: the job has written nothing into output_dir()>"
        width = max(map(len, found))
        return "\n".join(f"{name:<{width}}  {file.size:>14,} B" for name, file in found.items())

    def _found(self) -> dict[str, File]:
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
