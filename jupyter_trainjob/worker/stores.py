"""The files below a URL, through fsspec: in object stores and in folders.

Used by `sync` in pods, and by the notebook, which reads there what pods have put. A file appears whole or not at all:
object stores promise that of each upload; elsewhere it is written under a draft's name, which it then loses. What is
a folder in ``checkpoints`` counts only together with markers, of which each node of the job writes one after its files:
it names them, or says that this node has none in it. While a node stores its part, its marker says that.
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
LINKS: Final = ".links"
"""Below it lies what links point to, as text: object stores have none."""
FORK: Final = "fork"
"""By whom checkpoints are marked that were copied from another job."""
OVER: Final = ".over"
"""What a node marks when it has ended: it has no part in what others mark from then on."""


class NoStore(Exception):
    """There is no library here for such a URL; the message says which."""


class Stored(NamedTuple):
    """A file."""

    size: int
    modified: float
    """Unix seconds."""


class Mark(NamedTuple):
    """What one node says of a checkpoint of several files."""

    files: dict[str, int] | None
    """The sizes of those that it has stored, empty where others write it; None while it is about to."""
    nodes: int
    """How many have to say something."""
    modified: float


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
        marks = self.marks()
        over = frozenset(marks.pop(OVER, ()))
        whole = {}
        known: dict[str, Mapping[str, int]] = {}
        for path, stored in found.items():
            entry = folder_of(path)
            if path.startswith((f"{MARKERS}/", f"{LINKS}/")):
                continue
            if entry is not None and entry not in known:
                known[entry] = _named(marks.get(entry, {}), over, found)
            if entry is None or path in known[entry]:
                whole[path] = stored
        return whole

    def marks(self, only: str | None = None) -> dict[str, dict[str, Mark]]:
        """Return what is said of each checkpoint, or of one, by who says so."""
        found: dict[str, dict[str, Mark]] = {}
        for entry, nodes in self.marked().items():
            for by, modified in nodes.items() if only in (None, entry) else ():
                with contextlib.suppress(OSError, ValueError), self.open(f"{MARKERS}/{entry}@{by}") as file:
                    said = json.load(file)
                    found.setdefault(entry, {})[by] = Mark(said["files"], said["nodes"], modified)
        return found

    def marked(self) -> dict[str, dict[str, float]]:
        """Return when something was said of each checkpoint, by who did, without reading what."""
        found: dict[str, dict[str, float]] = {}
        for path, stored in self.files(MARKERS).items():
            entry, _, by = path.rpartition("/")[2].rpartition("@")
            found.setdefault(entry, {})[by] = stored.modified
        return found

    def links(self) -> dict[str, str]:
        """Return what links point to, relative to the folder that each is in, by their paths."""
        found = {}
        for path in self.files(LINKS):
            with self.open(path) as file:
                found[path.removeprefix(f"{LINKS}/")] = file.read().decode()
        return found

    def link(self, path: str, target: str) -> None:
        """Store a link."""
        self._write(f"{LINKS}/{path}", target.encode())

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

    def mark(self, entry: str, files: Mapping[str, int] | None, *, by: str, nodes: int = 1) -> None:
        """Say that the part of the node `by`, of so many, in a checkpoint is these files; None: it is on its way."""
        self._write(f"{MARKERS}/{entry}@{by}", json.dumps({"files": files, "nodes": nodes}).encode())

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

    def _write(self, path: str, data: bytes) -> None:
        self._fs.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(self._at(path), data)

    def _at(self, path: str) -> str:
        if ".." in path.split("/"):
            raise PermissionError(f"{path} leads out of the job's folder")
        return f"{self._root}/{path}" if path else self._root


def folder_of(path: str) -> str | None:
    """Return the name of the checkpoint of several files that a file belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == CHECKPOINTS_FOLDER and len(parts) > 2 else None


def _named(marks: Mapping[str, Mark], over: frozenset[str], found: Mapping[str, Stored]) -> Mapping[str, int]:
    """Return the files of a checkpoint if all nodes have stored their part of it, none if it is not whole."""
    nodes = marks.keys() - {FORK}
    if nodes and len(nodes | over) < max(mark.nodes for mark in marks.values()):
        return {}
    named: dict[str, int] = {}
    # The newest word on a file counts, and of those of one second a node's own.
    for _, mark in sorted(marks.items(), key=lambda item: (item[1].modified, item[0] != FORK)):
        if mark.files is None:
            return {}
        named |= mark.files
    return named if all(path in found and found[path].size == size for path, size in named.items()) else {}


def _stored(info: Mapping[str, Any]) -> Stored:
    when = next((info[key] for key in ("mtime", "LastModified", "last_modified", "updated") if info.get(key)), 0.0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return Stored(int(info.get("size") or 0), when.timestamp() if isinstance(when, datetime) else float(when))
