"""The files below a URL, through fsspec: in object stores and in folders.

Used by `sync` in pods, and by the notebook, which reads there what pods have put. A file appears whole or not at all:
object stores promise that of each upload; elsewhere it is written under a draft's name, which it then loses. What is
a folder in ``checkpoints`` counts only together with a marker that is written after its files and names them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from .protocol import CHECKPOINTS_FOLDER

ATOMIC: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl"})
DRAFT: Final = ".sending-"
MARKERS: Final = f"{CHECKPOINTS_FOLDER}/.complete"
FORK: Final = "fork"
"""By whom checkpoints are marked that were copied from another job."""


class NoStore(Exception):
    """There is no library here for such a URL; the message says which."""


class Stored(NamedTuple):
    """A file."""

    size: int
    modified: float
    """Unix seconds."""


class Store:
    """The folder behind a URL. Methods raise `OSError`, and what else a store's library raises."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            said = f"no library here can reach {scheme}:// ({error}); it takes fsspec with its part for that"
            raise NoStore(said) from error
        self._root = str(root).rstrip("/")
        self._atomic = url.partition("://")[0] in ATOMIC

    def files(self, prefix: str = "") -> dict[str, Stored]:
        """Return the files below `prefix` by their paths; drafts are none."""
        self._fs.invalidate_cache()
        try:
            found: Mapping[str, Any] = self._fs.find(self._at(prefix), detail=True)
        except FileNotFoundError:
            return {}
        listed = {path[len(self._root) :].lstrip("/"): _stored(info) for path, info in found.items()}
        return {path: stored for path, stored in sorted(listed.items()) if path and DRAFT not in path}

    def whole(self, prefix: str = "") -> dict[str, Stored]:
        """Return what `files` does, without checkpoints that miss a file, and without markers."""
        found = self.files(prefix)
        # Markers lie beside the checkpoints, whatever of them was asked for.
        named: dict[str, dict[str, int]] = {}
        markers = self.files(MARKERS)
        # The newest word on a file counts, and of those of one second a node's own.
        for path in sorted(markers, key=lambda path: (markers[path].modified, not path.endswith(f"@{FORK}"))):
            with contextlib.suppress(OSError, ValueError), self.open(path) as file:
                named.setdefault(path.rpartition("/")[2].rpartition("@")[0], {}).update(json.load(file))
        whole = {}
        for path, stored in found.items():
            entry = folder_of(path)
            if path.startswith(f"{MARKERS}/"):
                continue
            if entry is None or (path in named.get(entry, ()) and _all_there(named[entry], found)):
                whole[path] = stored
        return whole

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        file: BinaryIO = self._fs.open(self._at(path), "rb")
        return file

    def get(self, path: str, to: Path) -> None:
        """Fetch a file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        draft = to.with_name(f"{DRAFT}{to.name}")
        self._fs.get_file(self._at(path), str(draft))
        draft.replace(to)

    def put(self, file: Path, path: str) -> None:
        """Store a file."""
        folder, _, name = self._at(path).rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        if self._atomic:
            self._fs.put_file(str(file), f"{folder}/{name}")
        else:
            self._fs.put_file(str(file), f"{folder}/{DRAFT}{name}")
            self._fs.mv(f"{folder}/{DRAFT}{name}", f"{folder}/{name}")

    def mark(self, entry: str, files: Mapping[str, int], *, by: str) -> None:
        """Say that a checkpoint of several files is whole, as far as the node `by` knows."""
        self._fs.makedirs(self._at(MARKERS), exist_ok=True)
        self._fs.pipe_file(self._at(f"{MARKERS}/{entry}@{by}"), json.dumps(files).encode())

    def unmark(self, entry: str, *, by: str) -> None:
        """Take that back."""
        self.remove(f"{MARKERS}/{entry}@{by}")

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._at(path))

    def remove_all(self) -> None:
        """Remove everything."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._root, recursive=True)

    def copy(self, path: str, to: Store) -> None:
        """Copy a file to another folder of the same store, without fetching it."""
        target = to._at(path)
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._fs.cp_file(self._at(path), target)

    def _at(self, path: str) -> str:
        if ".." in path.split("/"):
            raise PermissionError(f"{path} leads out of the job's folder")
        return f"{self._root}/{path}" if path else self._root


def folder_of(path: str) -> str | None:
    """Return the name of the checkpoint of several files that a file belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == CHECKPOINTS_FOLDER and len(parts) > 2 else None


def _all_there(files: Mapping[str, int], found: Mapping[str, Stored]) -> bool:
    return all(path in found and found[path].size == size for path, size in files.items())


def _stored(info: Mapping[str, Any]) -> Stored:
    when = next((info[key] for key in ("mtime", "LastModified", "last_modified", "updated") if info.get(key)), 0.0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return Stored(int(info.get("size") or 0), when.timestamp() if isinstance(when, datetime) else float(when))
