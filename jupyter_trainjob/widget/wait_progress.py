"""Show progress during a wait: one line in a notebook, the job's output in a terminal.

`TrainJob.wait` and the methods that wait through it use this, unless the same cell shows a view. A short wait shows
nothing in a notebook; a script whose standard error is not a terminal shows nothing either.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from jupyter_trainjob.rendering import text
from jupyter_trainjob.rendering.job_source import JobSource
from jupyter_trainjob.widget.display import Display, notebook_display

DELAY: Final = 0.5
"""Seconds until a wait shows its line in a notebook."""
PACE: Final = 1.0
"""Minimum seconds between two updates of the line in a notebook."""
TERMINAL_PACE: Final = 10.0
"""Seconds between two lines of progress in a terminal, among the job's output."""
MAX_LINES: Final = 5_000
"""Maximum lines of the job's output that are printed at once."""

_printed: dict[str, int] = {}
"""The number of the last printed line of each job, by its uid, so that a second wait prints only new lines."""


@contextmanager
def show_progress(job: JobSource) -> Iterator[None]:
    """Show the progress of `job` while the body waits for it."""
    display = notebook_display()
    if display is not None:
        progress: _CellProgress | _TerminalProgress = _CellProgress(job, display)
    elif sys.stderr is not None and sys.stderr.isatty():
        progress = _TerminalProgress(job)
    else:
        yield
        return
    unsubscribe = job.subscribe(progress.update)
    timer = threading.Timer(DELAY, progress.update)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        unsubscribe()
        progress.close()


class _CellProgress:
    """A line in the output of the waiting cell."""

    def __init__(self, job: JobSource, display: Display) -> None:
        self._job = job
        self._display = display
        self._id = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._due = time.monotonic() + DELAY
        self._text = ""

    def update(self) -> None:
        """Update the line if it is due."""
        with self._lock:
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + PACE
                self._show()

    def close(self) -> None:
        """Show the final state, if a line is shown."""
        with self._lock:
            self._due = float("inf")
            if self._text:
                self._show()

    def _show(self) -> None:
        line = text.summary_line(self._job.snapshot())
        if line != self._text:
            self._display({"text/plain": line}, raw=True, display_id=self._id, update=bool(self._text))
            self._text = line


class _TerminalProgress:
    """Prints changes of state and the output of the ranks in a script's terminal."""

    def __init__(self, job: JobSource, write: Callable[[str], object] | None = None) -> None:
        self._job = job
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._lock = threading.Lock()
        self._ticker = text.Ticker(job, write=self._write, interval=TERMINAL_PACE)

    def update(self) -> None:
        """Print new lines, and the state if it is due."""
        self._print_new(last=False)

    def close(self) -> None:
        """Print the remaining lines and the final state."""
        self._print_new(last=True)

    def _print_new(self, *, last: bool) -> None:
        with self._lock:
            new = self._job.log_buffer().after(_printed.get(self._job.uid), limit=MAX_LINES)
            _printed[self._job.uid] = new.number
            if new.skipped:
                self._write(
                    f"… {new.skipped} lines are left out: `jupyter trainjob logs {self._job.name} --all` has them"
                )
            for line in new.lines:
                if line.row is None:  # Lines that are overwritten, such as progress bars, are left out.
                    self._write(f"{line.node} | {text.sanitize(line.text)}")
            self._ticker.tick(last=last)
