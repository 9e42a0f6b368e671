"""Name the threads and processes that keep a rank's process alive after its program has ended.

At exit Python waits silently for all threads and `multiprocessing` processes that are not daemons. If that takes long,
one line in the log names them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from typing import Final

from ..output import secret_masking
from . import hang_watchdog

PATIENCE: Final = 3.0
"""Seconds after which threads and processes that have not ended are named."""
NAMED: Final = 5
"""Maximum of threads and processes that the line names."""


def watch(kind: str, cells: Mapping[str, str]) -> None:
    """Write a line if Python waits for something after `PATIENCE` seconds; `cells` maps file names to labels."""
    if not _blocker_names(cells):
        return
    never = threading.Event()

    def report() -> None:
        never.wait(PATIENCE)
        if names := _blocker_names(cells):
            # Not sys.stderr: Python aborts if it exits while this thread holds the lock of a stream.
            with contextlib.suppress(OSError):
                os.write(2, secret_masking.mask(f"{format_notice(kind, names)}\n").encode(errors="backslashreplace"))

    threading.Thread(target=report, name="trainjob-exit-blockers", daemon=True).start()


def format_notice(kind: str, names: list[str]) -> str:
    """Return the line that names the threads and processes in `names`."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"The {kind} has ended; the job waits for {', '.join(names[:NAMED])}{more}, which the {kind} started. "
        f"The job ends when they have ended: stop and join() them in the {kind}, or start them with daemon=True."
    )


def _blocker_names(cells: Mapping[str, str]) -> list[str]:
    """Return descriptions of the threads and processes that Python waits for at exit."""
    frames = sys._current_frames()  # noqa: SLF001 - its documented name
    names = []
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            where = hang_watchdog.describe_stack(frames.get(thread.ident or 0), cells)["where"]
            names.append(f"thread {thread.name!r}{where and f' ({where})'}")
    processes = [process for process in multiprocessing.active_children() if not process.daemon]
    return names + [f"process {process.name!r} (pid {process.pid})" for process in processes]
