"""Threads that are there only while there is something to do: fifty views of finished jobs have none.

A `Beat` calls one function whenever somebody rings, and again when that function asked to be called. A `Lane` carries
out what it is given, one after the other. Both may be rung from any thread, also from one that must not wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

LINGER = 5.0
"""Seconds that a thread stays with nothing to do, since what has just changed is likely to change again."""
RETRY = 5.0
"""Seconds after a failure."""

_log = logging.getLogger(__name__)


class Beat:
    """Calls `act` soon after each `ring`, never twice at once.

    `act` returns in how many seconds it wants to be called again; None: not before the next ring.
    """

    def __init__(
        self, act: Callable[[], float | None], *, name: str, linger: float = LINGER, retry: float = RETRY
    ) -> None:
        self._act = act
        self._retry = retry
        self._name = name
        self._linger = linger
        self._condition = threading.Condition()
        self._rung = self._closed = False
        self._due: float | None = None
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Have `act` called soon."""
        with self._condition:
            self._rung = True
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            else:
                self._condition.notify()

    def close(self) -> None:
        """Have `act` never called again; a call that goes on may still end."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def join(self, timeout: float) -> bool:
        """Wait until there is no thread; False if it took longer."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            try:
                wait = self._act()
            except Exception:  # noqa: BLE001 - a view must not stand still for ever because of one moment
                _log.exception("%s failed; it tries again", self._name)
                wait = self._retry
            self._due = None if wait is None else time.monotonic() + wait

    def _wait(self) -> bool:
        """Wait until it is time to act; False if the thread has to end."""
        with self._condition:
            while not self._closed:
                left = self._linger if self._due is None else self._due - time.monotonic()
                if self._rung or (self._due is not None and left <= 0):
                    self._rung, self._due = False, None
                    return True
                if not self._condition.wait(left) and self._due is None and not self._rung:
                    break
            self._thread = None
            return False


class Lane:
    """Carries out tasks one after the other, in a thread of its own."""

    def __init__(self, *, name: str) -> None:
        self._tasks: deque[Callable[[], None]] = deque()
        self._beat = Beat(self._next, name=name)

    def put(self, task: Callable[[], None]) -> None:
        """Have `task` carried out after those before it. It must not raise."""
        self._tasks.append(task)
        self._beat.ring()

    def close(self) -> None:
        """Begin no task any more."""
        self._beat.close()

    def join(self, timeout: float) -> bool:
        """Wait until there is no thread; False if it took longer."""
        return self._beat.join(timeout)

    def _next(self) -> float | None:
        if self._tasks:
            self._tasks.popleft()()
        return 0.0 if self._tasks else None
