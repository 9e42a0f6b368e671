"""End the threads and processes that keep a rank's process alive after its program has ended.

At exit Python waits for all threads and `multiprocessing` processes that are not daemons. They get some time
(``--linger``); then they are named in the log and ended.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from ..output import secret_masking
from ..protocol import LINGER_ENV
from . import hang_watchdog

LINGER: Final = 10.0
"""Default of ``--linger`` in seconds."""
NOTICE: Final = 3.0
"""Seconds after which the log names what the job waits for, if it waits longer than `LINGER`."""
EXIT_FUNCTIONS: Final = 60.0
"""Seconds for the functions that libraries have registered with `atexit`, such as uploads of logs."""
NAMED: Final = 5
"""Maximum of threads and processes that a line names."""


def watch(kind: str, cells: Mapping[str, str], *, code: int) -> None:
    """End the process with `code` after the time of ``--linger``; `cells` maps file names to labels of cells."""
    if not _blocker_names(cells):
        return
    linger = _linger()

    def end() -> None:
        never = threading.Event()
        notice = min(NOTICE, linger)
        never.wait(notice)
        names = _blocker_names(cells)
        if linger > LINGER and names:
            _write(f"The {kind} has ended; {format_names(names)} may run on for at most {linger:g} s (--linger).")
        never.wait(linger - notice)
        names = _blocker_names(cells)
        if not names:
            return
        _write(
            f"{format_names(names)}, which the {kind} had started, still ran {linger:g} s after its end and will be "
            f"ended. Stop and join() them in the {kind}, or let them go on with --linger 10m."
        )
        for process in multiprocessing.active_children():
            process.kill()
        functions = threading.Thread(target=atexit._run_exitfuncs, daemon=True)  # noqa: SLF001 - as multiprocessing does
        functions.start()
        functions.join(EXIT_FUNCTIONS)
        os._exit(code)

    threading.Thread(target=end, name="trainjob-exit-blockers", daemon=True).start()


def format_names(names: Sequence[str]) -> str:
    """Return the names of threads and processes as one text.

    >>> format_names(["thread 'a'", "thread 'b'"])
    "thread 'a', thread 'b'"
    """
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _write(line: str) -> None:
    # Not sys.stderr: Python aborts if it exits while this thread holds the lock of a stream.
    with contextlib.suppress(OSError):
        os.write(2, secret_masking.mask(f"{line}\n").encode(errors="backslashreplace"))


def _linger() -> float:
    try:
        return float(os.environ[LINGER_ENV])
    except (KeyError, ValueError):
        return LINGER


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
