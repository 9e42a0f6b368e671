"""Keeps the folder of a pod equal with what lies behind ``--storage URL``: fetched at the start, then stored.

One rank of each node does it. A file is stored when it no longer changes and nobody has it open for writing; one whose
name says that it is a draft never is. A checkpoint of several files counts when all nodes have marked their part in it,
or that they have none: see `stores`. What the pod's own folder has newer, after a restart of its container, stays.
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

from . import open_files
from .captures import SetupError
from .protocol import CHECKPOINTS_FOLDER, CLAIM, FOLDER_ENV, OUTPUT_FOLDER, RESULTS_FOLDER, STORAGE_ENV
from .stores import DRAFT, FORK, LINKS, OVER, NoStore, Store, Stored, folder_of

EVERY: Final = 3.0
"""Seconds between two looks."""
SETTLE: Final = 0.5
"""Seconds in which nothing of a file changes that is stored although its rank was told to end."""
READY_TIMEOUT: Final = 3600.0
AGAIN: Final = (1.0, 3.0, 6.0)
"""Seconds before each further try to store the last changes; together less than a pod has to end in."""
DRAFTS: Final = (".tmp", ".part")
WHOLE: Final = ("captures", "code")
"""Files right in the folder that came with the job."""


class State(NamedTuple):
    """What tells a version of a file from another."""

    size: int
    changed: int


class Sync:
    """Both folders, and what of the one was already stored in the other."""

    def __init__(
        self, store: Store, local: Path, *, node: str, nodes: int = 1, again: tuple[float, ...] | None = None
    ) -> None:
        self._store = store
        self._local = local
        self._node = node
        self._nodes = nodes
        self._sent: dict[str, State] = {}
        self._seen: dict[str, State] = {}
        self._linked: dict[str, str] = {}
        self._theirs: dict[str, State] = {}
        """What others stored in checkpoints that all nodes write into, as it was fetched."""
        self._open: set[str] = set()
        """Checkpoints that are marked as on their way."""
        self._none: set[str] = set()
        """Those of others, in which this node is marked to have no part."""
        self._before: dict[str, dict[str, float]] = {}
        """What others had marked, and when, as this node last saw to it."""
        self._over = threading.Event()
        self._one = threading.Lock()
        self._complained = ""
        self._again = AGAIN if again is None else again

    def down(self) -> None:
        """Fetch what earlier attempts have left, with the times that tell which is the newest."""
        whole = self._store.whole()
        mine = self._take_over({entry for entry in map(folder_of, whole) if entry is not None})
        fetched = {
            path: stored
            for path, stored in whole.items()
            if path.split("/")[0] in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER) or path in WHOLE
        }
        newer = self._newer(fetched)
        for path, stored in fetched.items():
            to = self._local / path
            entry = folder_of(path)
            if (entry or path) not in newer:
                self._store.get(path, to)
                os.utime(to, (stored.modified, stored.modified))
            elif not to.is_file() or to.stat().st_size != stored.size or to.stat().st_mtime > stored.modified:
                continue
            if path not in WHOLE:
                self._sent[path] = _state(to)
            if entry is not None and self._nodes > 1 and path not in mine:
                self._theirs[path] = _state(to)
        for path, target in self._store.links().items():
            link = self._local / path
            if _inside(link, self._local) and link.parent.joinpath(target).exists() and not os.path.lexists(link):
                link.symlink_to(target)
                self._linked[path] = target

    def up(self, *, all_of_it: bool = False) -> None:
        """Store what has changed and no longer does (or `all_of_it`), the oldest first; remove what is gone.

        What cannot be stored keeps nothing else from it; its error is raised at the end.
        """
        failed: Exception | None = None
        with self._one:
            found = dict(self._files())
            still = {path for path, state in found.items() if all_of_it or self._seen.get(path) == state}
            self._seen = found
            if not all_of_it and any(self._sent.get(path) != found[path] for path in still):
                written = open_files.written(self._local)
                still = {path for path in still if os.path.realpath(self._local / path) not in written}
            for unit in _units({**self._sent, **found}):
                if any(self._sent.get(path) != found.get(path) for path in unit):
                    try:
                        self._send(unit, found, whole=still.issuperset(path for path in unit if path in found))
                    except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
                        failed = failed or error
            if failed is None:
                self._links(found)
                self._take_no_part()
        if failed is not None:
            raise failed

    def start(self) -> None:
        """Begin to store now and then."""
        threading.Thread(target=self._run, name="trainjob-sync", daemon=True).start()

    def finish(self, *, writing: bool) -> str:
        """Store the last changes; while the rank may be `writing`, only what does not change for a moment.

        Returns why some could not be stored, empty if all is there.
        """
        self._over.set()
        self._complained = ""
        for wait in (*self._again, None):
            if self._try(lambda: self._up_at_last(writing=writing)):
                return ""
            if wait is not None:
                time.sleep(wait)
        return self._complained

    def _up_at_last(self, *, writing: bool) -> None:
        if writing:
            self.up()
            time.sleep(SETTLE)
        self.up(all_of_it=not writing)
        if self._nodes > 1:
            self._store.mark(OVER, {}, by=self._node)

    def _send(self, unit: list[str], found: dict[str, State], *, whole: bool) -> None:
        """Store the files of `unit`, if they are `whole`; where several nodes write, say before that they come."""
        entry = folder_of(unit[0])
        there = [path for path in unit if path in found]
        if entry is not None and there and entry not in self._open and (whole or self._nodes > 1):
            self._mark(entry, None)
            self._open.add(entry)
            self._none.discard(entry)
        if not whole:
            return
        if entry is not None and not there:
            self._store.unmark(entry, by=self._node)
            self._open.discard(entry)
        for path in unit:
            if path not in found:
                self._store.remove(path)
                del self._sent[path]
            elif self._sent.get(path) != found[path]:
                self._store.put(self._local / path, path)
        now = {path: _state(self._local / path) for path in there}
        if any(now[path] != found[path] for path in there):
            return  # It changed on the way, and comes once more.
        if entry is not None and there:
            self._mark(entry, {path: found[path].size for path in there if self._theirs.get(path) != found[path]})
            self._open.discard(entry)
            if self._nodes == 1:
                self._store.unmark(entry, by=FORK)
        self._sent.update(now)

    def _mark(self, entry: str, files: Mapping[str, int] | None) -> None:
        self._store.mark(entry, files, by=self._node, nodes=self._nodes)

    def _take_over(self, whole: set[str]) -> set[str]:
        """Let the markers of an earlier attempt say what holds for this one; return the files that are this node's.

        What is not `whole` by now gets so only if all of its parts are written again.
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
                self._none.add(entry)
        if self._nodes > 1:
            self._store.unmark(OVER, by=self._node)
            marked = self._store.marked()
            self._before = {entry: self._others(marked, entry) for entry in marked}
        return own

    def _take_no_part(self) -> None:
        """Say of what the other nodes have written that nothing of it is of this one."""
        if self._nodes == 1:
            return
        marked = self._store.marked()
        for entry in (marked.keys() | self._none) - {OVER} - self._open:
            here, others = marked.get(entry, {}), self._others(marked, entry)
            if others == self._before.get(entry, {}) or (self._node in here and entry not in self._none):
                continue
            said = self._store.marks(entry).get(entry, {})
            busy = any(said[by].files != {} for by in others if by in said)
            if busy and self._node not in here:
                self._mark(entry, {})
                self._none.add(entry)
            elif not busy and entry in self._none:
                self._store.unmark(entry, by=self._node)
                self._none.discard(entry)
            self._before[entry] = others

    def _others(self, marked: Mapping[str, Mapping[str, float]], entry: str) -> dict[str, float]:
        return {by: when for by, when in marked.get(entry, {}).items() if by not in (self._node, FORK)}

    def _newer(self, stored: Mapping[str, Stored]) -> set[str]:
        """Return the files, and checkpoints of several, that are newer here: the container was started again."""
        newest: dict[str, float] = {}
        for path, each in stored.items():
            unit = folder_of(path) or path
            newest[unit] = max(newest.get(unit, 0.0), each.modified)
        return {
            unit
            for path, state in self._files()
            if (unit := folder_of(path) or path) in newest and state.changed / 1e9 > newest[unit]
        }

    def _links(self, found: Mapping[str, State]) -> None:
        """Store links whose target is stored as it is now, and remove those that are gone."""
        there = dict(self._found_links())
        for path, target in there.items():
            to = os.path.normpath(Path(path).parent / target)
            files = [each for each in found if each == to or each.startswith(f"{to}/")]
            if self._linked.get(path) != target and files and all(self._sent.get(one) == found[one] for one in files):
                self._store.link(path, target)
                self._linked[path] = target
        for path in self._linked.keys() - there.keys():
            self._store.remove(f"{LINKS}/{path}")
            del self._linked[path]

    def _found_links(self) -> Iterator[tuple[str, str]]:
        """Yield the links to what is in the folder too, with where they point to, relative to where they are."""
        for folder, names in self._walk():
            for path in (Path(folder, name) for name in names):
                if path.is_symlink() and _inside(path, self._local):
                    target = Path(os.path.realpath(path.parent), path.readlink())
                    relative = os.path.relpath(target, os.path.realpath(path.parent))
                    yield path.relative_to(self._local).as_posix(), relative

    def _files(self) -> Iterator[tuple[str, State]]:
        """Yield the files with their states; of links only those to files elsewhere, as if these lay here."""
        for folder, names in self._walk():
            for path in (Path(folder, name) for name in names):
                if not (path.is_symlink() and _inside(path, self._local)):
                    with contextlib.suppress(FileNotFoundError):
                        if stat.S_ISREG(path.stat().st_mode):
                            yield path.relative_to(self._local).as_posix(), _state(path)

    def _walk(self) -> Iterator[tuple[str, list[str]]]:
        """Yield folders with the names in them that are no drafts."""
        for name in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER):
            for folder, folders, files in os.walk(self._local / name, onerror=_unreadable):
                # Some libraries' checkpoints have files like .metadata in them.
                own = Path(folder).parent == self._local or name == OUTPUT_FOLDER
                folders[:] = [each for each in folders if not _draft(each)]
                yield folder, [*folders, *(each for each in files if not _draft(each, hidden=own))]

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            self._try(self.up)

    def _try(self, act: Callable[[], None]) -> bool:
        """Say what went wrong, once, and let the job go on: the next look tries again. Returns whether it went well."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
            said = f"{type(error).__name__}: {error}"
            if said != self._complained:
                self._complained = said
                sys.stderr.write(f"trainjob: what the job writes cannot be stored now: {said}\n")
            return False
        return True


def begin(*, first: bool, rank: int) -> Sync | None:
    """Fetch the folder, if it has an address; all ranks of a node go on when its `first` one has done so."""
    url, shared = os.environ.get(STORAGE_ENV, ""), os.environ.get(FOLDER_ENV)
    if not url or not shared or url.startswith(CLAIM):
        return None
    local = Path(shared)
    ready = local / f".ready-{_container()}"
    if not first:
        deadline = time.monotonic() + READY_TIMEOUT
        while not ready.exists():
            if time.monotonic() > deadline:
                raise SetupError(f"The first rank of this node did not fetch {url} within an hour.")
            time.sleep(0.05)
        return None
    try:
        made = Sync(Store(url), local, node=str(rank), nodes=_nodes())
        made.down()
    except NoStore as error:
        raise SetupError(
            f"The image of this job cannot use --storage {url}: {error}. Choose an image or a runtime that has it, "
            "or --storage pvc://CLAIM, which needs nothing in the image."
        ) from error
    except Exception as error:
        raise SetupError(
            f"What lies at {url} cannot be fetched: {type(error).__name__}: {error}. Does the pod have the right to "
            "read and write there?"
        ) from error
    ready.touch()
    made.start()
    return made


def _container() -> str:
    """Return what tells this run of the container from another in the same pod: the folder outlives both."""
    parent = os.getppid()
    began = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{parent}-{began}"


def _nodes() -> int:
    """Return how many nodes the job has."""
    ranks, here, nodes = (os.environ.get(name, "") for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "PET_NNODES"))
    if ranks.isdigit() and here.isdigit():
        return max(1, int(ranks) // max(1, int(here)))
    return int(nodes) if nodes.isdigit() else 1


def push_result(name: str) -> None:
    """Store the file with a rank's result before the rank speaks of it."""
    url, shared = os.environ.get(STORAGE_ENV, ""), os.environ.get(FOLDER_ENV)
    if url and shared and not url.startswith(CLAIM):
        file = Path(shared) / RESULTS_FOLDER / name
        if file.is_file():
            Store(url).put(file, f"{RESULTS_FOLDER}/{name}")


def _units(found: dict[str, State]) -> list[list[str]]:
    """Return the files that become visible together: a file, or all of a checkpoint; the oldest first."""
    units: dict[str, list[str]] = {}
    for path in found:
        units.setdefault(folder_of(path) or f"/{path}", []).append(path)
    return sorted(units.values(), key=lambda unit: max(found[path].changed for path in unit))


def _unreadable(error: OSError) -> None:
    """Raise what keeps a folder from being listed: files that are not seen would be taken for removed ones."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _draft(name: str, *, hidden: bool = True) -> bool:
    return name.startswith("." if hidden else DRAFT) or name.endswith(DRAFTS)


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _state(path: Path) -> State:
    status = path.stat()
    return State(status.st_size, status.st_mtime_ns)
