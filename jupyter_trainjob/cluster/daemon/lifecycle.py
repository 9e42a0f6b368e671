"""Stop the daemon when idle or after an upgrade of the package, and run periodic cleanup.

One thread that checks every 30 seconds. It stops the daemon by calling `end`, as a signal does. Unfinished jobs keep it
running, and containers survive it in their shims.
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
from jupyter_trainjob.cluster.daemon.upgrade import PackageChange
from jupyter_trainjob.cluster.idle_detection import RequestActivity
from jupyter_trainjob.cluster.state.cluster_settings import Settings

CHECK_SECONDS = 30.0
SWEEP_SECONDS = 3600.0
QUIET_SECONDS = 5.0
"""A daemon is replaced after so many seconds without a request: watches are resumed, other requests may fail."""
LOG_BYTES = 5 << 20

_log = logging.getLogger(__name__)


class Decision(enum.Enum):
    """Whether a daemon continues, stops, or is replaced by the new version of the package."""

    CONTINUE = enum.auto()
    STOP = enum.auto()
    REPLACE = enum.auto()


def decide(
    change: PackageChange, activity: RequestActivity, settings: Settings, *, has_unfinished_work: Callable[[], bool]
) -> Decision:
    """Return what the daemon should do. `has_unfinished_work` is expensive and called last."""
    if change is PackageChange.REPLACED and activity.seconds_since_request >= QUIET_SECONDS:
        return Decision.REPLACE
    # Without its files it cannot start shims; the next client starts a daemon from the package's new location.
    if change is PackageChange.GONE and activity.seconds_since_request >= QUIET_SECONDS:
        return Decision.STOP
    limit = settings.idle_minutes * 60
    if limit and activity.idle_seconds >= limit and not has_unfinished_work():
        return Decision.STOP
    return Decision.CONTINUE


class Lifecycle:
    """The thread that checks the daemon. After `end` was called, `decision` is the reason."""

    def __init__(
        self,
        settings: Settings,
        activity: RequestActivity,
        *,
        detect_change: Callable[[], PackageChange],
        has_unfinished_work: Callable[[], bool],
        sweep: Callable[[], object],
        log: Path,
        end: Callable[[], None],
        check_seconds: float,
    ) -> None:
        self._settings = settings
        self._activity = activity
        self._detect_change = detect_change
        self._has_unfinished_work = has_unfinished_work
        self._sweep = sweep
        self._daemon_log = log
        self._end = end
        # Check at least as often as a short idle timeout expires.
        self._check_seconds = min(check_seconds, settings.idle_minutes * 60 or check_seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="life", daemon=True)
        self.decision = Decision.CONTINUE

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        swept = float("-inf")
        while not self._stopped.wait(self._check_seconds):
            _run_task(lambda: limit_log(self._daemon_log))
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                _run_task(self._sweep)
            _run_task(self._decide)
            if self.decision is not Decision.CONTINUE:
                _log.info("ending: %s", _REASONS[self.decision])
                self._end()
                return

    def _decide(self) -> None:
        self.decision = decide(
            self._detect_change(), self._activity, self._settings, has_unfinished_work=self._has_unfinished_work
        )


def _run_task(task: Callable[[], object]) -> None:
    """Run a task and log its failure, so that the others run, and it is tried again next time."""
    try:
        task()
    except (errors.TrainJobError, OSError, sqlite3.Error) as error:
        _log.warning("periodic task failed, will try again: %s", error)
    except Exception:  # noqa: BLE001 - without this thread the daemon would neither stop nor be replaced
        _log.exception("periodic task failed, will try again")


_REASONS = {Decision.STOP: "idle, or the package was removed", Decision.REPLACE: "the package was replaced"}


def limit_log(log: Path, limit: int = LOG_BYTES) -> None:
    """Copy a log longer than `limit` bytes to ``NAME.1`` and truncate it; open writers continue to append."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
