"""Notify of changes in folders: with inotify on Linux, by polling elsewhere.

All followed logs share one thread and one inotify instance, because a user may have only 128.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

IN_MODIFY, IN_CREATE, IN_DELETE, IN_CLOEXEC = 0x2, 0x100, 0x200, 0o2000000
POLL_SECONDS = 0.1

_EVENT = struct.Struct("iIII")


class DirWatch:
    """Calls callbacks, in its own thread, when a folder changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[Path, list[Callable[[], None]]] = {}
        self._watches: dict[int, Path] = {}
        self._inotify = -1
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def add(self, folder: Path, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` at every change in `folder` and `wake`; returns an idempotent function that removes it."""
        with self._lock:
            if self._thread is None:
                self._start()
            if folder not in self._callbacks:
                self._watch(folder)
            self._callbacks.setdefault(folder, []).append(callback)

        def forget() -> None:
            with self._lock:
                callbacks = self._callbacks.get(folder, [])
                if callback in callbacks:
                    callbacks.remove(callback)
                    if not callbacks:
                        del self._callbacks[folder]
                        self._unwatch(folder)

        return forget

    def wake(self, folder: Path) -> None:
        """Call the callbacks of `folder`, for an event that is not a change of its files."""
        with self._lock:
            callbacks = list(self._callbacks.get(folder, ()))
        for callback in callbacks:
            callback()

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._stopped.set()
            for folder in list(self._callbacks):
                self._unwatch(folder)
            thread = self._thread
        if thread is not None and self._inotify >= 0:
            with contextlib.suppress(OSError):
                self._watch(Path("/"))
                self._unwatch(Path("/"))  # removing a watch is an event, which wakes the thread
            thread.join(timeout=5)

    def _start(self) -> None:
        if sys.platform == "linux":
            self._inotify = ctypes.CDLL(None, use_errno=True).inotify_init1(IN_CLOEXEC)
        target = self._read if self._inotify >= 0 else self._poll
        self._thread = threading.Thread(target=target, name="log-changes", daemon=True)
        self._thread.start()

    def _watch(self, folder: Path) -> None:
        if self._inotify >= 0:
            mask = IN_MODIFY | IN_CREATE | IN_DELETE
            number = ctypes.CDLL(None).inotify_add_watch(self._inotify, os.fsencode(folder), mask)
            if number >= 0:
                self._watches[number] = folder

    def _unwatch(self, folder: Path) -> None:
        for number, path in list(self._watches.items()):
            if path == folder:
                del self._watches[number]
                ctypes.CDLL(None).inotify_rm_watch(self._inotify, number)

    def _read(self) -> None:
        while not self._stopped.is_set():
            data = os.read(self._inotify, 1 << 16)
            folders = set()
            while data:
                number, _, _, length = _EVENT.unpack_from(data)
                data = data[_EVENT.size + length :]
                with self._lock:
                    folders.add(self._watches.get(number))
            for folder in folders:
                if folder is not None:
                    self.wake(folder)
        os.close(self._inotify)

    def _poll(self) -> None:
        sizes: dict[Path, int] = {}
        while not self._stopped.wait(POLL_SECONDS):
            with self._lock:
                folders = list(self._callbacks)
            for folder in folders:
                size = _folder_size(folder)
                if sizes.get(folder) != size:
                    sizes[folder] = size
                    self.wake(folder)


def _folder_size(folder: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size + 1
    return total
