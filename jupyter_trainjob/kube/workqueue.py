"""The queue between informers and reconcilers: which objects are to be looked at again, and when.

Keys come in from informers' handlers and from reconcilers that want to be called again; workers take them out. The
rules are those of client-go's work queue, because they are what makes a level-triggered controller safe:

* a key that waits is there once, however often it was added;
* a key that is being worked on is never given to a second worker; added meanwhile, it comes again afterwards;
* a failed key comes back after a pause that doubles with each failure of that key.

Delayed keys need no thread of their own: a worker that waits, waits no longer than until the next of them is due.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable
from threading import Condition

Key = tuple[str, str]
"""Namespace and name of an object; the namespace is empty for cluster-scoped kinds."""

FIRST_RETRY = 0.005
LAST_RETRY = 60.0


class WorkQueue:
    """Keys to be reconciled. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        first_retry: float = FIRST_RETRY,
        last_retry: float = LAST_RETRY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_retry = first_retry
        self._last_retry = last_retry
        self._clock = clock
        self._changed = Condition()
        self._ready: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._working: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._timers: list[tuple[float, Key]] = []
        self._failures: dict[Key, int] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `shut_down` was called."""
        return self._closed

    def __len__(self) -> int:
        """Return how many keys wait to be taken now."""
        with self._changed:
            return len(self._ready)

    def add(self, key: Key) -> None:
        """Ask for `key` to be reconciled as soon as a worker is free."""
        with self._changed:
            self._add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Ask for `key` in `seconds`. Of several such wishes for one key the earliest counts."""
        with self._changed:
            if self._closed:
                return
            if seconds <= 0:
                self._add(key)
                return
            due = self._clock() + seconds
            known = self._due.get(key)
            if known is not None and known <= due:
                return
            self._due[key] = due
            heapq.heappush(self._timers, (due, key))
            self._changed.notify()

    def add_rate_limited(self, key: Key) -> None:
        """Ask for `key` again after a failure: soon the first time, then after pauses that double."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
        self.add_after(key, min(self._first_retry * 2.0 ** min(failures, 40), self._last_retry))

    def forget(self, key: Key) -> None:
        """Say that `key` went well: its next failure is a first one."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self, timeout: float | None = None) -> Key | None:
        """Take a key; None after `timeout` seconds without one, or when the queue is shut down.

        The taker calls `done` when it has finished with the key, however that ended.
        """
        deadline = None if timeout is None else self._clock() + timeout
        with self._changed:
            while not self._closed:
                self._move_due()
                if self._ready:
                    key = self._ready.popleft()
                    self._dirty.discard(key)
                    self._working.add(key)
                    return key
                until = [moment for moment in (deadline, self._timers[0][0] if self._timers else None) if moment]
                pause = min(until) - self._clock() if until else None
                if deadline is not None and deadline <= self._clock():
                    return None
                self._changed.wait(pause if pause is None else max(pause, 0.0))
            return None

    def done(self, key: Key) -> None:
        """Give `key` back after work; if it was added meanwhile, it waits again."""
        with self._changed:
            self._working.discard(key)
            if key in self._dirty:
                self._ready.append(key)
                self._changed.notify()

    def shut_down(self) -> None:
        """Wake all takers with None and refuse further keys."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, key: Key) -> None:
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._changed.notify()

    def _move_due(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key)
