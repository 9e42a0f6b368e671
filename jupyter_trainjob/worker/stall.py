"""The thread that notices when a rank makes no progress, and says where it is: its Python stack, now and then.

Runs beside the speaker. Progress is a report or a line of output. What it says only describes: whether a rank hangs, or
computes for long in silence, or waits for another, can be seen only with the words of all ranks (`client.stalls`).

It looks a few times in the shortest silence that counts, and reads the main thread's frames, which stops nobody. Where
native code keeps the interpreter to itself no thread of Python can look: then `faulthandler`, whose watchdog needs no
interpreter, writes the stack into the log.
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

from .messages import STALL, Stall
from .protocol import dumps
from .tracebacks import is_own

SECONDS_ENV: Final = "TRAINJOB_STALL_SECONDS"
"""Seconds of silence that count, 0 for none; as many as fit the steps if it is not set."""
SILENCE: Final = 60.0
STEPS: Final = 20
"""A step may take this many times as long as usual."""
LOOKS: Final = 4
"""Looks in the shortest silence that counts."""
LONGEST_PAUSE: Final = 5.0
WORDS: Final = 30
"""Messages of one rank at most: each comes when the silence is twice as long as at the one before."""
FRAMES: Final = 20
TEXT: Final = 200

Tell = Callable[[str, bytes], None]


def start(
    tell: Tell, *, progress: Callable[[], object], reports: Callable[[], Sequence[float]], cells: Mapping[str, str]
) -> threading.Event | None:
    """Start the thread; setting the event that is returned ends it. None where the environment wants none.

    `progress` returns something else after every progress, `reports` the times of the last reports.
    """
    fixed = _seconds()
    if fixed == 0:
        return None
    ended = threading.Event()
    main = threading.main_thread().ident or 0

    def describe() -> Stall:
        return stack(sys._current_frames().get(main), cells)  # noqa: SLF001 - its documented name

    watch = Watch(tell, progress=progress, describe=describe, limit=lambda: fixed or limit(reports()))
    file = os.dup(2)  # The cell may put something else there.
    threading.Thread(target=_run, args=(watch, ended, file), name="trainjob-stall", daemon=True).start()
    return ended


def limit(times: Sequence[float]) -> float:
    """Return the seconds of silence that count, by the times of the last reports."""
    steps = sorted(after - before for before, after in pairwise(times))
    return max(SILENCE, STEPS * steps[len(steps) // 2]) if steps else SILENCE


class Watch:
    """Compares looks at the progress of one rank."""

    def __init__(
        self,
        tell: Tell,
        *,
        progress: Callable[[], object],
        describe: Callable[[], Stall],
        limit: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._progress = progress
        self._describe = describe
        self._limit = limit
        self._clock = clock
        self._mark: object = None
        self._since = clock()
        self._next = 0.0
        self._words = 0

    def look(self) -> float:
        """Look, say what there is to say, and return the seconds of silence that count now."""
        now, mark, bound = self._clock(), self._progress(), self._limit()
        if mark != self._mark:
            if self._next:
                self._tell(STALL, dumps(Stall(time=time.time(), quiet=0.0, where="", source="", stack=[])))
            self._mark, self._since, self._next = mark, now, 0.0
        quiet = now - self._since
        if quiet >= max(bound, self._next) and self._words < WORDS:
            said = self._describe()
            said["quiet"] = round(quiet, 1)
            self._tell(STALL, dumps(said))
            self._next = 2 * quiet
            self._words += 1
        return bound


def stack(frame: FrameType | None, cells: Mapping[str, str]) -> Stall:
    """Describe where a thread is, the innermost frames last, and the innermost line of the notebook."""
    frames: list[tuple[str, int, str]] = []
    where = source = ""
    while frame is not None:
        name, line = frame.f_code.co_filename, frame.f_lineno
        if not is_own(name):
            if len(frames) < FRAMES:
                frames.append((cells.get(name) or "/".join(name.split("/")[-3:]), line, frame.f_code.co_name))
            if name in cells and not where:
                where, source = f"{cells[name]}, line {line}", linecache.getline(name, line).strip()[:TEXT]
        frame = frame.f_back
    return Stall(time=time.time(), quiet=0.0, where=where, source=source, stack=frames[::-1])


def _seconds() -> float | None:
    try:
        return max(0.0, float(os.environ[SECONDS_ENV]))
    except (KeyError, ValueError):
        return None


def _run(watch: Watch, ended: threading.Event, file: int) -> None:
    pause = 0.0
    while not ended.wait(pause):
        bound = watch.look()
        pause = min(LONGEST_PAUSE, bound / LOOKS)
        faulthandler.dump_traceback_later(bound + pause, file=file)
    faulthandler.cancel_dump_traceback_later()
