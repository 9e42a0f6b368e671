"""List, read and write files below a URL, through fsspec.

Used by `storage_sync` in pods, and by the notebook to read what pods have stored. Files appear atomically: uploads to
object stores are atomic; elsewhere a file is written under a draft's name and renamed. A checkpoint that is a folder is
complete only with markers: each node of the job writes one after its files, which lists them, or is empty if the node
has none. While a node stores its files, its marker is pending.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from ..protocol import CHECKPOINTS_FOLDER

ATOMIC: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl"})
DRAFT: Final = ".sending-"
MARKERS: Final = f"{CHECKPOINTS_FOLDER}/.complete"
LINKS: Final = ".links"
"""Folder with the targets of links as text, as object stores have no links."""
FORK: Final = "fork"
"""Node name in the markers of checkpoints that were copied from another job."""
OVER: Final = ".over"
"""Name of a node's marker when it has ended: it takes no part in later checkpoints."""


class NoStoreLibrary(Exception):
    """No installed library supports such a URL; the message contains the reason."""


class StoredFile(NamedTuple):
    """Size and time of a stored file."""

    size: int
    modified: float
    """Unix seconds."""


class NodeMark(NamedTuple):
    """Marker of one node for a checkpoint of several files."""

    files: dict[str, int] | None
    """Sizes of the files that it has stored by path, empty if it has none; None while it is storing them."""
    nodes: int
    """Number of nodes that have to write markers."""
    modified: float


class FsspecStore:
    """The folder behind a URL. Methods raise `OSError`, and any error of the store's library."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            message = (
                f"no installed library can access {scheme}:// ({error}); install fsspec and its package for that scheme"
            )
            raise NoStoreLibrary(message) from error
        self._root = str(root).rstrip("/")
        self._atomic = url.partition("://")[0] in ATOMIC

    def files(self, prefix: str = "") -> dict[str, StoredFile]:
        """Return the files below `prefix` by path, without drafts."""
        self._fs.invalidate_cache()
        try:
            infos: Mapping[str, Any] = self._fs.find(self._at(prefix), detail=True)
        except FileNotFoundError:
            return {}
        files = {path[len(self._root) :].lstrip("/"): _stored_file(info) for path, info in infos.items()}
        return {path: stored for path, stored in sorted(files.items()) if path and DRAFT not in path}

    def complete_files(self, prefix: str = "") -> dict[str, StoredFile]:
        """Return the files below `prefix` by path, without incomplete checkpoints and markers."""
        files = self.files(prefix)
        marks = self.marks()
        ended_nodes = frozenset(marks.pop(OVER, ()))
        complete = {}
        checkpoint_files: dict[str, Mapping[str, int]] = {}
        for path, stored in files.items():
            entry = checkpoint_of(path)
            if path.startswith((f"{MARKERS}/", f"{LINKS}/")):
                continue
            if entry is not None and entry not in checkpoint_files:
                checkpoint_files[entry] = _complete_files(marks.get(entry, {}), ended_nodes, files)
            if entry is None or path in checkpoint_files[entry]:
                complete[path] = stored
        return complete

    def marks(self, only: str | None = None) -> dict[str, dict[str, NodeMark]]:
        """Return the markers of all checkpoints, or of one, by node."""
        marks: dict[str, dict[str, NodeMark]] = {}
        for entry, nodes in self.mark_times().items():
            for by, modified in nodes.items() if only in (None, entry) else ():
                with contextlib.suppress(OSError, ValueError), self.open(f"{MARKERS}/{entry}@{by}") as file:
                    marker = json.load(file)
                    marks.setdefault(entry, {})[by] = NodeMark(marker["files"], marker["nodes"], modified)
        return marks

    def mark_times(self) -> dict[str, dict[str, float]]:
        """Return the times of the markers of all checkpoints by node, without reading them."""
        times: dict[str, dict[str, float]] = {}
        for path, stored in self.files(MARKERS).items():
            entry, _, by = path.rpartition("/")[2].rpartition("@")
            times.setdefault(entry, {})[by] = stored.modified
        return times

    def links(self) -> dict[str, str]:
        """Return the targets of links, relative to the links' folders, by path."""
        links = {}
        for path in self.files(LINKS):
            with self.open(path) as file:
                links[path.removeprefix(f"{LINKS}/")] = file.read().decode()
        return links

    def link(self, path: str, target: str) -> None:
        """Store a link."""
        self._write(f"{LINKS}/{path}", target.encode())

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        file: BinaryIO = self._fs.open(self._at(path), "rb")
        return file

    def get(self, path: str, to: Path) -> None:
        """Download a file, atomically."""
        to.parent.mkdir(parents=True, exist_ok=True)
        draft = to.with_name(f"{DRAFT}{to.name}")
        self._fs.get_file(self._at(path), str(draft))
        draft.replace(to)

    def put(self, file: Path, path: str) -> None:
        """Upload a file, atomically."""
        folder, _, name = self._at(path).rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        if self._atomic:
            self._fs.put_file(str(file), f"{folder}/{name}")
        else:
            self._fs.put_file(str(file), f"{folder}/{DRAFT}{name}")
            self._fs.mv(f"{folder}/{DRAFT}{name}", f"{folder}/{name}")

    def mark(self, entry: str, files: Mapping[str, int] | None, *, by: str, nodes: int = 1) -> None:
        """Write the marker of node `by`, of `nodes`, for its `files` in a checkpoint; None marks them as pending."""
        self._write(f"{MARKERS}/{entry}@{by}", json.dumps({"files": files, "nodes": nodes}).encode())

    def unmark(self, entry: str, *, by: str) -> None:
        """Remove the marker of node `by`."""
        self.remove(f"{MARKERS}/{entry}@{by}")

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._at(path))

    def remove_all(self) -> None:
        """Remove everything."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._root, recursive=True)

    def copy(self, path: str, to: FsspecStore) -> None:
        """Copy a file to another folder of the same store, without downloading it."""
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


def checkpoint_of(path: str) -> str | None:
    """Return the name of the checkpoint folder that a file belongs to, None if it is in none.

    >>> checkpoint_of("checkpoints/step-100/model.pt"), checkpoint_of("checkpoints/last.pt")
    ('step-100', None)
    """
    parts = path.split("/")
    return parts[1] if parts[0] == CHECKPOINTS_FOLDER and len(parts) > 2 else None


def _complete_files(
    marks: Mapping[str, NodeMark], ended_nodes: frozenset[str], stored: Mapping[str, StoredFile]
) -> Mapping[str, int]:
    """Return the files of a checkpoint with their sizes, empty if a node has not stored its part."""
    nodes = marks.keys() - {FORK}
    if nodes and len(nodes | ended_nodes) < max(mark.nodes for mark in marks.values()):
        return {}
    named: dict[str, int] = {}
    # The newest marker of a file counts, and of markers of one second a node's own.
    for _, mark in sorted(marks.items(), key=lambda item: (item[1].modified, item[0] != FORK)):
        if mark.files is None:
            return {}
        named |= mark.files
    return named if all(path in stored and stored[path].size == size for path, size in named.items()) else {}


def _stored_file(info: Mapping[str, Any]) -> StoredFile:
    when = next((info[key] for key in ("mtime", "LastModified", "last_modified", "updated") if info.get(key)), 0.0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when.replace("Z", "+00:00"))
    return StoredFile(int(info.get("size") or 0), when.timestamp() if isinstance(when, datetime) else float(when))
