"""Sync the folder of a pod with ``--storage URL``: fetch it at the start, store changes while it runs.

One rank of each node syncs. A file is stored when it no longer changes and no process has it open for writing; drafts,
recognised by their names, are not stored. A checkpoint of several files is complete when all nodes have written their
markers: see `fsspec_store`. Newer files in the pod's folder, after a restart of its container, are kept.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ..captured_values import SetupError
from ..protocol import CHECKPOINTS_FOLDER, CLAIM, FOLDER_ENV, OUTPUT_FOLDER, RESULTS_FOLDER, STORAGE_ENV
from . import open_files
from .fsspec_store import DRAFT, FORK, LINKS, OVER, FsspecStore, NoStoreLibrary, StoredFile, checkpoint_of

INTERVAL: Final = 3.0
"""Seconds between two scans of the folder."""
SETTLE: Final = 0.5
"""Seconds without changes after which a file is stored although its rank is being terminated."""
READY_TIMEOUT: Final = 3600.0
RETRY_DELAYS: Final = (1.0, 3.0, 6.0)
"""Seconds before each retry to store the last changes; together less than a pod's grace period."""
DRAFTS: Final = (".tmp", ".part")
WHOLE: Final = ("captures", "code")
"""Files directly in the folder that were sent with the job."""


class FileState(NamedTuple):
    """Size and modification time (ns), which identify a version of a file."""

    size: int
    changed: int


class StorageSync:
    """Syncs a local folder with a store, and tracks what is stored."""

    def __init__(
        self,
        store: FsspecStore,
        local: Path,
        *,
        node: str,
        nodes: int = 1,
        retry_delays: tuple[float, ...] | None = None,
    ) -> None:
        self._store = store
        self._local = local
        self._node = node
        self._nodes = nodes
        self._stored: dict[str, FileState] = {}
        self._seen: dict[str, FileState] = {}
        self._stored_links: dict[str, str] = {}
        self._foreign: dict[str, FileState] = {}
        """Files of other nodes in shared checkpoints, as they were fetched."""
        self._marked_pending: set[str] = set()
        """Checkpoints that this node has marked as pending."""
        self._marked_empty: set[str] = set()
        """Checkpoints of other nodes, which this node has marked as empty."""
        self._handled_marks: dict[str, dict[str, float]] = {}
        """Marker times of other nodes when this node last handled them."""
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._last_error = ""
        self._retry_delays = RETRY_DELAYS if retry_delays is None else retry_delays

    def download(self) -> None:
        """Download the files of earlier attempts, with their modification times."""
        whole = self._store.complete_files()
        mine = self._take_over_marks({entry for entry in map(checkpoint_of, whole) if entry is not None})
        fetched = {
            path: stored
            for path, stored in whole.items()
            if path.split("/")[0] in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER) or path in WHOLE
        }
        newer = self._newer_here(fetched)
        for path, stored in fetched.items():
            to = self._local / path
            entry = checkpoint_of(path)
            if (entry or path) not in newer:
                self._store.get(path, to)
                os.utime(to, (stored.modified, stored.modified))
            elif not to.is_file() or to.stat().st_size != stored.size or to.stat().st_mtime > stored.modified:
                continue
            if path not in WHOLE:
                self._stored[path] = _file_state(to)
            if entry is not None and self._nodes > 1 and path not in mine:
                self._foreign[path] = _file_state(to)
        for path, target in self._store.links().items():
            link = self._local / path
            if _is_inside(link, self._local) and link.parent.joinpath(target).exists() and not os.path.lexists(link):
                link.symlink_to(target)
                self._stored_links[path] = target

    def upload(self, *, final: bool = False) -> None:
        """Upload files that have changed and no longer do (with `final`, all), the oldest first; remove deleted ones.

        After an error the other files are still uploaded; the first error is raised at the end.
        """
        first_error: Exception | None = None
        with self._lock:
            files = dict(self._iter_files())
            still = {path for path, state in files.items() if final or self._seen.get(path) == state}
            self._seen = files
            if not final and any(self._stored.get(path) != files[path] for path in still):
                written = open_files.files_open_for_writing(self._local)
                still = {path for path in still if os.path.realpath(self._local / path) not in written}
            for unit in _atomic_units({**self._stored, **files}):
                if any(self._stored.get(path) != files.get(path) for path in unit):
                    try:
                        self._store_unit(unit, files, whole=still.issuperset(path for path in unit if path in files))
                    except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
                        first_error = first_error or error
            if first_error is None:
                self._store_links(files)
                self._mark_unused()
        if first_error is not None:
            raise first_error

    def start(self) -> None:
        """Start the thread that uploads at intervals."""
        threading.Thread(target=self._run, name="trainjob-sync", daemon=True).start()

    def finish(self, *, writing: bool) -> str:
        """Upload the last changes; while the rank may be `writing`, only files without recent changes.

        Returns the last error, empty if everything was uploaded.
        """
        self._ended.set()
        self._last_error = ""
        for wait in (*self._retry_delays, None):
            if self._try(lambda: self._upload_last(writing=writing)):
                return ""
            if wait is not None:
                time.sleep(wait)
        return self._last_error

    def _upload_last(self, *, writing: bool) -> None:
        if writing:
            self.upload()
            time.sleep(SETTLE)
        self.upload(final=not writing)
        if self._nodes > 1:
            self._store.mark(OVER, {}, by=self._node)

    def _store_unit(self, unit: list[str], files: dict[str, FileState], *, whole: bool) -> None:
        """Upload the files of `unit`, if `whole`; if several nodes write it, mark it as pending before."""
        entry = checkpoint_of(unit[0])
        existing = [path for path in unit if path in files]
        if entry is not None and existing and entry not in self._marked_pending and (whole or self._nodes > 1):
            self._mark(entry, None)
            self._marked_pending.add(entry)
            self._marked_empty.discard(entry)
        if not whole:
            return
        if entry is not None and not existing:
            self._store.unmark(entry, by=self._node)
            self._marked_pending.discard(entry)
        for path in unit:
            if path not in files:
                self._store.remove(path)
                del self._stored[path]
            elif self._stored.get(path) != files[path]:
                self._store.put(self._local / path, path)
        now = {path: _file_state(self._local / path) for path in existing}
        if any(now[path] != files[path] for path in existing):
            return  # It changed during the upload, and is uploaded again.
        if entry is not None and existing:
            self._mark(entry, {path: files[path].size for path in existing if self._foreign.get(path) != files[path]})
            self._marked_pending.discard(entry)
            if self._nodes == 1:
                self._store.unmark(entry, by=FORK)
        self._stored.update(now)

    def _mark(self, entry: str, files: Mapping[str, int] | None) -> None:
        self._store.mark(entry, files, by=self._node, nodes=self._nodes)

    def _take_over_marks(self, whole: set[str]) -> set[str]:
        """Update the markers of an earlier attempt; return the files of this node.

        A checkpoint that is not in `whole` now becomes complete only if all of its parts are written again.
        """
        marks = self._store.marks()
        own: set[str] = set()
        for entry in marks.keys() - {OVER}:
            mine = marks[entry].get(self._node)
            own.update((mine.files or ()) if mine is not None else ())
            if entry not in whole:
                if mine is not None:
                    self._store.unmark(entry, by=self._node)
            elif self._nodes > 1 and (mine is None or not mine.files) and marks[entry].keys() != {FORK}:
                self._mark(entry, {})
                self._marked_empty.add(entry)
        if self._nodes > 1:
            self._store.unmark(OVER, by=self._node)
            marked = self._store.mark_times()
            self._handled_marks = {entry: self._other_marks(marked, entry) for entry in marked}
        return own

    def _mark_unused(self) -> None:
        """Mark checkpoints of other nodes, in which this node has no files, as empty."""
        if self._nodes == 1:
            return
        marked = self._store.mark_times()
        for entry in (marked.keys() | self._marked_empty) - {OVER} - self._marked_pending:
            here, others = marked.get(entry, {}), self._other_marks(marked, entry)
            if others == self._handled_marks.get(entry, {}) or (self._node in here and entry not in self._marked_empty):
                continue
            marks = self._store.marks(entry).get(entry, {})
            busy = any(marks[by].files != {} for by in others if by in marks)
            if busy and self._node not in here:
                self._mark(entry, {})
                self._marked_empty.add(entry)
            elif not busy and entry in self._marked_empty:
                self._store.unmark(entry, by=self._node)
                self._marked_empty.discard(entry)
            self._handled_marks[entry] = others

    def _other_marks(self, marked: Mapping[str, Mapping[str, float]], entry: str) -> dict[str, float]:
        return {by: when for by, when in marked.get(entry, {}).items() if by not in (self._node, FORK)}

    def _newer_here(self, stored: Mapping[str, StoredFile]) -> set[str]:
        """Return the files and checkpoints with a newer local version, from before a restart of the container."""
        newest: dict[str, float] = {}
        for path, file in stored.items():
            unit = checkpoint_of(path) or path
            newest[unit] = max(newest.get(unit, 0.0), file.modified)
        return {
            unit
            for path, state in self._iter_files()
            if (unit := checkpoint_of(path) or path) in newest and state.changed / 1e9 > newest[unit]
        }

    def _store_links(self, stored_files: Mapping[str, FileState]) -> None:
        """Store links whose target is stored in its current version, and remove deleted ones."""
        links = dict(self._iter_links())
        for path, target in links.items():
            to = os.path.normpath(Path(path).parent / target)
            files = [file for file in stored_files if file == to or file.startswith(f"{to}/")]
            if (
                self._stored_links.get(path) != target
                and files
                and all(self._stored.get(target_file) == stored_files[target_file] for target_file in files)
            ):
                self._store.link(path, target)
                self._stored_links[path] = target
        for path in self._stored_links.keys() - links.keys():
            self._store.remove(f"{LINKS}/{path}")
            del self._stored_links[path]

    def _iter_links(self) -> Iterator[tuple[str, str]]:
        """Yield the links to files in the folder, with targets relative to the links' folders."""
        for folder, names in self._iter_folders():
            for path in (Path(folder, name) for name in names):
                if path.is_symlink() and _is_inside(path, self._local):
                    target = Path(os.path.realpath(path.parent), path.readlink())
                    relative = os.path.relpath(target, os.path.realpath(path.parent))
                    yield path.relative_to(self._local).as_posix(), relative

    def _iter_files(self) -> Iterator[tuple[str, FileState]]:
        """Yield the files with their states; links to files outside are treated as files."""
        for folder, names in self._iter_folders():
            for path in (Path(folder, name) for name in names):
                if not (path.is_symlink() and _is_inside(path, self._local)):
                    with contextlib.suppress(FileNotFoundError):
                        if stat.S_ISREG(path.stat().st_mode):
                            yield path.relative_to(self._local).as_posix(), _file_state(path)

    def _iter_folders(self) -> Iterator[tuple[str, list[str]]]:
        """Yield folders with the names in them, without drafts."""
        for name in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER):
            for folder, folders, files in os.walk(self._local / name, onerror=_raise_unreadable):
                # Checkpoints of some libraries contain files such as .metadata.
                own = Path(folder).parent == self._local or name == OUTPUT_FOLDER
                folders[:] = [entry for entry in folders if not _is_draft(entry)]
                yield folder, [*folders, *(entry for entry in files if not _is_draft(entry, hidden=own))]

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._try(self.upload)

    def _try(self, action: Callable[[], None]) -> bool:
        """Call `action`; log an error once and return False: the next scan tries again."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
            message = f"{type(error).__name__}: {error}"
            if message != self._last_error:
                self._last_error = message
                sys.stderr.write(f"trainjob: the job's files cannot be stored at the moment: {message}\n")
            return False
        return True


def start_sync(*, first: bool, rank: int) -> StorageSync | None:
    """Start syncing the folder if it has a URL; all other ranks of a node wait until its `first` one has fetched it."""
    url, shared = os.environ.get(STORAGE_ENV, ""), os.environ.get(FOLDER_ENV)
    if not url or not shared or url.startswith(CLAIM):
        return None
    local = Path(shared)
    ready = local / f".ready-{_container_id()}"
    if not first:
        deadline = time.monotonic() + READY_TIMEOUT
        while not ready.exists():
            if time.monotonic() > deadline:
                raise SetupError(f"The first rank of this node did not fetch {url} within an hour.")
            time.sleep(0.05)
        return None
    try:
        sync = StorageSync(FsspecStore(url), local, node=str(rank), nodes=_node_count())
        sync.download()
    except NoStoreLibrary as error:
        raise SetupError(
            f"The image of this job cannot use --storage {url}: {error}. Choose an image or a runtime that has it, "
            "or --storage pvc://CLAIM, which needs nothing in the image."
        ) from error
    except Exception as error:
        raise SetupError(
            f"The files at {url} cannot be fetched: {type(error).__name__}: {error}. Check that the pod may "
            "read and write there."
        ) from error
    ready.touch()
    sync.start()
    return sync


def _container_id() -> str:
    """Return an id of this run of the container: the folder survives its restarts."""
    parent = os.getppid()
    started = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{parent}-{started}"


def _node_count() -> int:
    """Return how many nodes the job has."""
    ranks, here, nodes = (os.environ.get(name, "") for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "PET_NNODES"))
    if ranks.isdigit() and here.isdigit():
        return max(1, int(ranks) // max(1, int(here)))
    return int(nodes) if nodes.isdigit() else 1


def push_result(name: str) -> None:
    """Upload the file with a rank's result, before the rank refers to it."""
    url, shared = os.environ.get(STORAGE_ENV, ""), os.environ.get(FOLDER_ENV)
    if url and shared and not url.startswith(CLAIM):
        file = Path(shared) / RESULTS_FOLDER / name
        if file.is_file():
            FsspecStore(url).put(file, f"{RESULTS_FOLDER}/{name}")


def _atomic_units(files: dict[str, FileState]) -> list[list[str]]:
    """Return groups of files that become visible together: a file, or all of a checkpoint; the oldest first."""
    units: dict[str, list[str]] = {}
    for path in files:
        units.setdefault(checkpoint_of(path) or f"/{path}", []).append(path)
    return sorted(units.values(), key=lambda unit: max(files[path].changed for path in unit))


def _raise_unreadable(error: OSError) -> None:
    """Raise errors of listing a folder: files that are not listed would be taken for deleted ones."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_draft(name: str, *, hidden: bool = True) -> bool:
    return name.startswith("." if hidden else DRAFT) or name.endswith(DRAFTS)


def _is_inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _file_state(path: Path) -> FileState:
    status = path.stat()
    return FileState(status.st_size, status.st_mtime_ns)
