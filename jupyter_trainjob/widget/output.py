"""The saved output of a view: four MIME types, updated when the job changes.

They are our own MIME type, with the identity of the job; the live widget, for front ends connected to the kernel; HTML
with a picture, for all other notebook viewers; and plain text. Each update contains all four. The output is updated
when the job's state changes, once more when its last log lines have arrived, at growing intervals while it runs, and
before a wait for the job returns, so that a notebook executed without a front end is complete too. A front end that
connects after an update may have missed it, so the update is repeated once.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.feed.background import TriggeredTask
from jupyter_trainjob.rendering import picture, text
from jupyter_trainjob.rendering.job_source import JobSource
from jupyter_trainjob.widget.display import Display

JOB_MIME = "application/vnd.jupyter-trainjob.v1+json"

PACE = 1.0
"""Minimum seconds between two updates: front ends render the whole output again for each."""
REFRESH = 60.0
"""Seconds until the picture of a running job is updated without a change of state; doubled after each update."""
SETTLE_QUIET = 1.0
"""Seconds without a change after which the log of a finished job is taken to be complete."""
SETTLE_LIMIT = 5.0
"""Seconds after the end of a job after which its log is taken to be complete in any case."""
HEARD = 5.0
"""Seconds within which a connected front end renders an update; a later ``ready`` is from another front end."""
RESTING = frozenset({State.STOPPED, State.COMPLETE, State.FAILED, State.DELETED})
"""Final states, and stopped, which a job leaves only on request."""


class LiveView(Protocol):
    """A widget in the output of a cell."""

    def live_mime(self) -> dict[str, Any]:
        """Return its output by MIME type, for a front end connected to the kernel."""

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the widget is closed."""


class PageView(LiveView, Protocol):
    """A widget that reports when a front end renders it."""

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback`, on any thread, when a front end renders the widget; it must not block."""


class JobOutput:
    """The output of one view of one job; with `display_id` it replaces the output with that display id."""

    def __init__(
        self,
        job: JobSource,
        view: PageView,
        display: Display,
        *,
        display_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._view = view
        self._display = display
        self._clock = clock
        self._id = display_id or uuid.uuid4().hex
        self._exists = display_id is not None
        self._lock = threading.Lock()
        self._data: dict[str, Any] = {}
        self._state = job.snapshot().state
        self._updated_at = clock()
        self._refresh_interval = REFRESH
        self._repeat = False
        """Whether a front end has connected that may have missed the last update."""
        self._repeated = True
        """Whether the last update has been repeated, which is done once at most."""
        self._settling = SettleDetector()
        self._updates = TriggeredTask(self._update_if_due, name=f"trainjob-output-{job.name}")

    def open(self) -> None:
        """Display the output, and keep it up to date from now on."""
        self._update(first=True)
        self._view.on_close(self._job.subscribe(self._changed))
        self._view.on_close(self._job.on_wait_end(self.refresh))
        self._view.on_close(self._updates.close)
        self._view.on_ready(self._ready)
        # The job may have ended between the first output and the subscription.
        self._changed()

    def refresh(self) -> None:
        """Update the output on this thread, if its content has changed."""
        self._update()

    def _changed(self) -> None:
        self._settling.record_change(self._clock())
        self._updates.trigger()

    def _ready(self) -> None:
        if not self._repeated and self._clock() >= self._updated_at + HEARD:
            self._repeat = True
            self._updates.trigger()

    def _update_if_due(self) -> float | None:
        if self._repeat:
            self._repeat = False
            self._update(repeat=True)
        now, state = self._clock(), self._job.snapshot().state
        settled, settle_delay = self._settling.poll(state in RESTING, now)
        if settled:
            self._update()
            return None
        due = self._updated_at + (PACE if state is not self._state else self._refresh_interval)
        if now < due:
            delay = due - now
            return delay if settle_delay is None else min(delay, settle_delay)
        if state is self._state:
            self._refresh_interval *= 2
        self._update()
        return settle_delay

    def _update(self, *, first: bool = False, repeat: bool = False) -> None:
        with self._lock:
            self._state, self._updated_at = self._job.snapshot().state, self._clock()
            data = {**self._view.live_mime(), **static_mime(self._job)}
            if data == self._data and not repeat:
                return
            self._repeated = first or data == self._data
            self._data = data
            self._display(data, metadata={}, raw=True, display_id=self._id, update=self._exists)
            self._exists = True


class SettleDetector:
    """Detects that a job is over and its last log lines have arrived."""

    def __init__(self) -> None:
        self._reported = False
        self._since: float | None = None
        self._changed_at = 0.0

    def record_change(self, now: float) -> None:
        """Record that the job changed at the time `now`, in seconds."""
        self._changed_at = now

    def poll(self, resting: bool, now: float) -> tuple[bool, float | None]:
        """Return whether the job has settled, once per rest, and the seconds until the next poll, None for no poll."""
        if not resting:
            self._reported, self._since = False, None
            return False, None
        if self._reported:
            return False, None
        if self._since is None:
            self._since = now
        due = min(max(self._changed_at, self._since) + SETTLE_QUIET, self._since + SETTLE_LIMIT)
        if now < due:
            return False, due - now
        self._reported = True
        return True, None


def static_mime(job: JobSource) -> dict[str, Any]:
    """Return the output of a job by MIME type, for viewers without a kernel."""
    snapshot = job.snapshot()
    return {
        JOB_MIME: {
            "context": snapshot.context,
            "namespace": snapshot.namespace,
            "name": snapshot.name,
            "uid": snapshot.uid,
            "state": snapshot.state.value,
        },
        "text/html": picture.render_html(snapshot, job.series()),
        "text/plain": text.summary(snapshot),
    }
