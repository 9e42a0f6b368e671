"""What a daemon does about itself: it ends when nobody needs it, makes way for an upgrade, and clears up.

One thread that looks every half a minute. It ends the daemon through `end`, as a signal would; running jobs keep it
alive, and whatever it decides, programs live on in their shims.
"""

from __future__ import annotations

import enum
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.idle import Activity
from jupyter_trainjob.cluster.settings import Settings
from jupyter_trainjob.cluster.upgrade import Change

LOOK_SECONDS = 30.0
SWEEP_SECONDS = 3600.0
CALM_SECONDS = 5.0
"""A daemon makes way for its successor when no request came for so long: watches are resumed, others may fail."""
LOG_BYTES = 5 << 20

_log = logging.getLogger(__name__)


class Verdict(enum.Enum):
    """What a daemon should do about itself."""

    STAY = enum.auto()
    END = enum.auto()
    MAKE_WAY = enum.auto()


def judge(
    change: Change, activity: Activity, settings: Settings, *, anything_unfinished: Callable[[], bool]
) -> Verdict:
    """Return what to do. The question for unfinished work costs something, so it is asked last."""
    if change is Change.REPLACED and activity.unasked_seconds >= CALM_SECONDS:
        return Verdict.MAKE_WAY
    # Without its files it can start no shim; the next user starts a daemon from where the package is now.
    if change is Change.GONE and activity.unasked_seconds >= CALM_SECONDS:
        return Verdict.END
    limit = settings.idle_minutes * 60
    if limit and activity.quiet_seconds >= limit and not anything_unfinished():
        return Verdict.END
    return Verdict.STAY


class Life:
    """The thread. `verdict` says after the end why it was."""

    def __init__(
        self,
        settings: Settings,
        activity: Activity,
        *,
        look: Callable[[], Change],
        anything_unfinished: Callable[[], bool],
        sweep: Callable[[], object],
        log: Path,
        end: Callable[[], None],
        look_seconds: float,
    ) -> None:
        self._settings = settings
        self._activity = activity
        self._look = look
        self._anything_unfinished = anything_unfinished
        self._sweep = sweep
        self._daemon_log = log
        self._end = end
        # A limit that is shorter than the look is for those who wait for it.
        self._look_seconds = min(look_seconds, settings.idle_minutes * 60 or look_seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="life", daemon=True)
        self.verdict = Verdict.STAY

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        swept = float("-inf")
        while not self._stopped.wait(self._look_seconds):
            _carry_out(lambda: limit_log(self._daemon_log))
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                _carry_out(self._sweep)
            _carry_out(self._judge)
            if self.verdict is not Verdict.STAY:
                _log.info("ending: %s", _REASONS[self.verdict])
                self._end()
                return

    def _judge(self) -> None:
        self.verdict = judge(
            self._look(), self._activity, self._settings, anything_unfinished=self._anything_unfinished
        )


def _carry_out(duty: Callable[[], object]) -> None:
    """Do one thing; its failure keeps neither the others nor the next time, as on a disk that is full."""
    try:
        duty()
    except (errors.TrainJobError, OSError, sqlite3.Error) as error:
        _log.warning("looking after the daemon failed, and is tried again: %s", error)
    except Exception:  # noqa: BLE001 - a daemon that nobody looks after would neither end nor make way
        _log.exception("looking after the daemon failed, and is tried again")


_REASONS = {Verdict.END: "nobody needs this daemon", Verdict.MAKE_WAY: "the package was replaced"}


def limit_log(log: Path, limit: int = LOG_BYTES) -> None:
    """Move a long log aside, over what lay there. Who has the file open for appending goes on."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
