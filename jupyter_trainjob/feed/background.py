"""On-demand worker threads that exit when idle.

A `TriggeredTask` runs one function after each trigger, and again after the delay that the function returned. A
`SerialExecutor` runs submitted tasks in order. `trigger` and `submit` never block, so any thread may call them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

LINGER = 5.0
"""Seconds that an idle thread waits for another trigger before it exits."""
RETRY = 5.0
"""Seconds until the function runs again after it raised an exception."""

_log = logging.getLogger(__name__)


class TriggeredTask:
    """Runs `function` in one background thread, soon after each `trigger`; triggers during a run are merged into one.

    `function` returns the seconds until its next run, or None to run at the next trigger only. An exception is logged,
    and the function runs again after `retry` seconds.
    """

    def __init__(
        self, function: Callable[[], float | None], *, name: str, linger: float = LINGER, retry: float = RETRY
    ) -> None:
        self._function = function
        self._retry = retry
        self._name = name
        self._linger = linger
        self._condition = threading.Condition()
        self._triggered = self._closed = False
        self._due: float | None = None
        self._thread: threading.Thread | None = None

    def trigger(self) -> None:
        """Run the function soon. Does nothing after `close`."""
        with self._condition:
            self._triggered = True
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            else:
                self._condition.notify()

    def close(self) -> None:
        """Start no further run; a run in progress finishes."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the thread to exit; return whether it has."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            try:
                delay = self._function()
            except Exception:  # noqa: BLE001 - one failed update must not stop a view for good
                _log.exception("%s failed; it tries again", self._name)
                delay = self._retry
            self._due = None if delay is None else time.monotonic() + delay

    def _wait(self) -> bool:
        """Wait until the next run is due; return False if the thread has to exit."""
        with self._condition:
            while not self._closed:
                remaining = self._linger if self._due is None else self._due - time.monotonic()
                if self._triggered or (self._due is not None and remaining <= 0):
                    self._triggered, self._due = False, None
                    return True
                if not self._condition.wait(remaining) and self._due is None and not self._triggered:
                    break
            self._thread = None
            return False


class SerialExecutor:
    """Runs tasks one at a time, in the order of submission, in one background thread."""

    def __init__(self, *, name: str) -> None:
        self._tasks: deque[Callable[[], None]] = deque()
        self._worker = TriggeredTask(self._run_next, name=name)

    def submit(self, task: Callable[[], None]) -> None:
        """Run `task` after the tasks submitted before it. It must not raise."""
        self._tasks.append(task)
        self._worker.trigger()

    def close(self) -> None:
        """Start no further task; a task in progress finishes."""
        self._worker.close()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the thread to exit; return whether it has."""
        return self._worker.join(timeout)

    def _run_next(self) -> float | None:
        if self._tasks:
            self._tasks.popleft()()
        return 0.0 if self._tasks else None
