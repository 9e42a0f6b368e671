"""Keeps the folder of a pod equal with what lies behind ``--storage URL``: fetched at the start, then stored.

One rank of each node does it. A file is stored when it no longer changes; one whose name says that it is a draft never
is. Where it lies, nothing half-written is ever taken for a checkpoint: see `stores`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from .captures import SetupError
from .protocol import CHECKPOINTS_FOLDER, CLAIM, FOLDER_ENV, OUTPUT_FOLDER, RESULTS_FOLDER, STORAGE_ENV
from .stores import NoStore, Store, folder_of

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

    def __init__(self, store: Store, local: Path, *, node: str, again: tuple[float, ...] | None = None) -> None:
        self._store = store
        self._local = local
        self._node = node
        self._sent: dict[str, State] = {}
        self._seen: dict[str, State] = {}
        self._over = threading.Event()
        self._one = threading.Lock()
        self._complained = ""
        self._again = AGAIN if again is None else again

    def down(self) -> None:
        """Fetch what earlier attempts have left, with the times that tell which is the newest."""
        for path, stored in self._store.whole().items():
            if path.split("/")[0] in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER) or path in WHOLE:
                to = self._local / path
                self._store.get(path, to)
                os.utime(to, (stored.modified, stored.modified))
                if path not in WHOLE:
                    self._sent[path] = _state(to)

    def up(self, *, all_of_it: bool = False) -> None:
        """Store what has changed and no longer does (or `all_of_it`), the oldest first; remove what is gone.

        What cannot be stored keeps nothing else from it; its error is raised at the end.
        """
        failed: Exception | None = None
        with self._one:
            found = dict(self._files())
            still = {path for path, state in found.items() if all_of_it or self._seen.get(path) == state}
            self._seen = found
            for unit in _units(found):
                if still.issuperset(unit) and any(self._sent.get(path) != found[path] for path in unit):
                    try:
                        self._send(unit, found)
                    except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
                        failed = failed or error
            for path in [path for path in self._sent if path not in found]:
                if (entry := folder_of(path)) is not None:
                    self._store.unmark(entry, by=self._node)
                self._store.remove(path)
                del self._sent[path]
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

    def _send(self, unit: list[str], found: dict[str, State]) -> None:
        entry = folder_of(unit[0])
        if entry is not None:
            self._store.unmark(entry, by=self._node)
        for path in unit:
            if self._sent.get(path) != found[path]:
                self._store.put(self._local / path, path)
        now = {path: _state(self._local / path) for path in unit}
        if any(now[path] != found[path] for path in unit):
            return  # It changed on the way, and comes once more.
        if entry is not None:
            self._store.mark(entry, {path: found[path].size for path in unit}, by=self._node)
        self._sent.update(now)

    def _files(self) -> Iterator[tuple[str, State]]:
        for name in (CHECKPOINTS_FOLDER, OUTPUT_FOLDER):
            for folder, folders, files in os.walk(self._local / name, onerror=_unreadable):
                folders[:] = [each for each in folders if not _draft(each)]
                for each in files:
                    path = Path(folder, each)
                    if not _draft(each) and not path.is_symlink():
                        with contextlib.suppress(FileNotFoundError):
                            yield path.relative_to(self._local).as_posix(), _state(path)

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
    ready = local / f".ready-{os.getppid()}"
    if not first:
        deadline = time.monotonic() + READY_TIMEOUT
        while not ready.exists():
            if time.monotonic() > deadline:
                raise SetupError(f"The first rank of this node did not fetch {url} within an hour.")
            time.sleep(0.05)
        return None
    try:
        made = Sync(Store(url), local, node=str(rank))
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


def _draft(name: str) -> bool:
    return name.startswith(".") or name.endswith(DRAFTS)


def _state(path: Path) -> State:
    status = path.stat()
    return State(status.st_size, status.st_mtime_ns)
