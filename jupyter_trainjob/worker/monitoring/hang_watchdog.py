"""The thread that reports a rank's Python stack when it makes no progress.

Progress is a report or a line of output. The messages only describe the stack: whether a rank hangs, computes for long
without output, or waits for another rank follows from the messages of all ranks (`client.diagnosis.hangs`).

The thread polls a few times in the shortest silence that counts, and reads the main thread's frames without stopping
it. While native code holds the GIL no Python thread can run: then the watchdog of `faulthandler`, which does not need
the GIL, writes the stack to the log.
"""

from __future__ import annotations

import faulthandler
import linecache
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import FrameType
from typing import Final

from ..output.messages import STALL, Stall
from ..protocol import dumps
from ..results.tracebacks import is_worker_code

SECONDS_ENV: Final = "TRAINJOB_STALL_SECONDS"
"""Seconds of silence that count as a hang, 0 to disable; derived from the duration of steps if it is not set."""
SILENCE: Final = 60.0
STEPS: Final = 20
"""Multiple of the usual duration of a step that counts as a hang."""
POLLS: Final = 4
"""Polls in the shortest silence that counts."""
LONGEST_PAUSE: Final = 5.0
MESSAGES: Final = 30
"""Maximum of messages of one rank; each is sent when the silence is twice as long as at the previous one."""
FRAMES: Final = 20
SOURCE_LENGTH: Final = 200

Send = Callable[[str, bytes], None]


def start(
    send: Send, *, progress: Callable[[], object], reports: Callable[[], Sequence[float]], cells: Mapping[str, str]
) -> threading.Event | None:
    """Start the thread; return an event that stops it, or None if the environment disables it.

    `progress` returns a value that changes with every progress, `reports` the times of the last reports (unix seconds),
    `cells` maps file names of code to labels.
    """
    fixed = _seconds()
    if fixed == 0:
        return None
    ended = threading.Event()
    main = threading.main_thread().ident or 0

    def describe() -> Stall:
        return describe_stack(sys._current_frames().get(main), cells)  # noqa: SLF001 - its documented name

    monitor = ProgressMonitor(
        send, progress=progress, describe=describe, limit=lambda: fixed or silence_limit(reports())
    )
    timer = FaulthandlerTimer(os.dup(2))  # A duplicate: the cell may redirect standard error.
    os.register_at_fork(
        before=timer.before_fork, after_in_parent=timer.after_in_parent, after_in_child=timer.after_in_child
    )
    threading.Thread(target=_run, args=(monitor, ended, timer), name="trainjob-stall", daemon=True).start()
    return ended


def silence_limit(times: Sequence[float]) -> float:
    """Return the seconds of silence that count as a hang, given the times of the last reports.

    >>> silence_limit([0.0, 10.0, 20.0])
    200.0
    >>> silence_limit([])
    60.0
    """
    steps = sorted(after - before for before, after in pairwise(times))
    return max(SILENCE, STEPS * steps[len(steps) // 2]) if steps else SILENCE


class ProgressMonitor:
    """Detects from successive polls that a rank makes no progress, and that it does again."""

    def __init__(
        self,
        send: Send,
        *,
        progress: Callable[[], object],
        describe: Callable[[], Stall],
        limit: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._progress = progress
        self._describe = describe
        self._limit = limit
        self._clock = clock
        self._mark: object = None
        self._since = clock()
        self._next = 0.0
        self._messages = 0

    def poll(self) -> float:
        """Check the progress since the last poll, send a message if needed; return the seconds that count."""
        now, mark, limit = self._clock(), self._progress(), self._limit()
        if mark != self._mark:
            if self._next:
                self._send(STALL, dumps(Stall(time=time.time(), quiet=0.0, where="", source="", stack=[])))
            self._mark, self._since, self._next = mark, now, 0.0
        quiet = now - self._since
        if quiet >= max(limit, self._next) and self._messages < MESSAGES:
            message = self._describe()
            message["quiet"] = round(quiet, 1)
            self._send(STALL, dumps(message))
            self._next = 2 * quiet
            self._messages += 1
        return limit


class FaulthandlerTimer:
    """Timer of `faulthandler` that writes the stacks to the descriptor `file`; disarmed while the process forks.

    The timer is a C thread, which a forked child does not have; at exit the child would wait for it forever
    (``faulthandler`` cancels the timer in its finalizer).
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._seconds: float | None = None

    def arm(self, seconds: float) -> None:
        """Start or restart the timer."""
        with self._lock:
            self._seconds = seconds
            faulthandler.dump_traceback_later(seconds, file=self._file)

    def disarm(self) -> None:
        """Stop the timer."""
        with self._lock:
            self._seconds = None
            faulthandler.cancel_dump_traceback_later()

    def before_fork(self) -> None:
        """Stop the timer, and prevent other threads from starting it."""
        self._lock.acquire()
        if self._seconds is not None:
            faulthandler.cancel_dump_traceback_later()

    def after_in_parent(self) -> None:
        """Start the timer again."""
        if self._seconds is not None:
            faulthandler.dump_traceback_later(self._seconds, file=self._file)
        self._lock.release()

    def after_in_child(self) -> None:
        """Leave the child without a timer."""
        self._seconds = None
        self._lock.release()


def describe_stack(frame: FrameType | None, cells: Mapping[str, str]) -> Stall:
    """Return a message with a thread's stack, the innermost frame last, and its innermost line of the notebook."""
    frames: list[tuple[str, int, str]] = []
    where = source = ""
    while frame is not None:
        name, line = frame.f_code.co_filename, frame.f_lineno
        if not is_worker_code(name):
            if len(frames) < FRAMES:
                frames.append((cells.get(name) or "/".join(name.split("/")[-3:]), line, frame.f_code.co_name))
            if name in cells and not where:
                where, source = f"{cells[name]}, line {line}", linecache.getline(name, line).strip()[:SOURCE_LENGTH]
        frame = frame.f_back
    return Stall(time=time.time(), quiet=0.0, where=where, source=source, stack=frames[::-1])


def _seconds() -> float | None:
    try:
        return max(0.0, float(os.environ[SECONDS_ENV]))
    except (KeyError, ValueError):
        return None


def _run(monitor: ProgressMonitor, ended: threading.Event, timer: FaulthandlerTimer) -> None:
    pause = 0.0
    while not ended.wait(pause):
        limit = monitor.poll()
        pause = min(LONGEST_PAUSE, limit / POLLS)
        timer.arm(limit + pause)
    timer.disarm()
