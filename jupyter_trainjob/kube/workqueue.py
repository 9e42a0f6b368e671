"""The queue between informers and reconcilers: the objects to reconcile, and when.

The rules are those of client-go's work queue (https://pkg.go.dev/k8s.io/client-go/util/workqueue), which make a
level-triggered controller safe:

* a key is queued once, however often it is added;
* a key that is being processed is never given to a second worker; if it is added meanwhile, it is queued again after;
* a failed key is queued again after a delay that doubles with each failure of that key.

Delayed keys need no thread: a waiting worker wakes up when the next of them is due.
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
        """Return the number of keys that are ready."""
        with self._changed:
            return len(self._ready)

    def add(self, key: Key) -> None:
        """Queue `key` for the next free worker."""
        with self._changed:
            self._add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Queue `key` after `seconds`. Of several delays for one key the earliest counts."""
        with self._changed:
            if self._closed:
                return
            if seconds <= 0:
                self._add(key)
                return
            due = self._clock() + seconds
            previous = self._due.get(key)
            if previous is not None and previous <= due:
                return
            self._due[key] = due
            heapq.heappush(self._timers, (due, key))
            self._changed.notify()

    def add_rate_limited(self, key: Key) -> None:
        """Queue `key` again after a failure, with a delay that doubles each time."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
        self.add_after(key, min(self._first_retry * 2.0 ** min(failures, 40), self._last_retry))

    def forget(self, key: Key) -> None:
        """Reset the failures of `key` after a success."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self, timeout: float | None = None) -> Key | None:
        """Take a key; return None after `timeout` seconds without one, or when the queue is shut down.

        The caller calls `done` when it has finished with the key, even after a failure.
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
        """Mark `key` as processed; if it was added meanwhile, it is queued again."""
        with self._changed:
            self._working.discard(key)
            if key in self._dirty:
                self._ready.append(key)
                self._changed.notify()

    def shut_down(self) -> None:
        """Return None from all waiting `get` calls and ignore further keys."""
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
