"""The threads of browser tabs' sessions that a test has started."""

from __future__ import annotations

import gc
import threading

from tests.waiting import wait_for

PREFIXES = (
    "trainjob-channel",
    "trainjob-view-tab",
    "trainjob-asks-tab",
    "trainjob-acts",
    "informer-",
    "trainjob-board",
)


class RunningThreads:
    """The running threads of sessions, except those that ran before this object was made.

    Earlier tests of the same process may have left followers of jobs, which run until their handles are collected.
    """

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def __call__(self) -> list[str]:
        """Return the names of the threads."""
        started = (thread for thread in threading.enumerate() if thread not in self._before)
        return [thread.name for thread in started if thread.name.startswith(PREFIXES)]

    def wait_for_exit(self) -> None:
        """Wait until none is left."""
        # A job is followed until nothing refers to it.
        wait_for(lambda: gc.collect() is not None and not self(), "the threads of sessions to exit", saw=self)
