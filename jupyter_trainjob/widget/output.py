"""What a notebook keeps of a view: one output in four forms, put out with the view and whenever it is outdated.

The forms are our own MIME type, which says which job it is; the live view, for a page whose kernel knows it; HTML with
a picture, for everything else that shows notebooks; and words. All four are there from the first moment, always
together. They are put out anew with each state of the job, once more when its last lines have come, ever more rarely
while it goes on, and before whoever waits for the job goes on: a notebook that runs without a page is complete too. A
page that comes after an update, which it may have missed, gets it once more.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget import picture, text
from jupyter_trainjob.widget.beat import Beat
from jupyter_trainjob.widget.source import Source

JOB_MIME = "application/vnd.jupyter-trainjob.v1+json"
Display = Callable[..., Any]
"""``IPython.display.display``, or what takes its arguments."""

PACE = 1.0
"""Seconds between two updates, at least: hosts draw an output anew with each."""
REFRESH = 60.0
"""Seconds after which the picture of a job that goes on is outdated; twice as many after each."""
SETTLE_QUIET = 1.0
"""Once a job rests, so long without news are all of its log lines taken to be here,"""
SETTLE_LIMIT = 5.0
"""and after so long in any case."""
HEARD = 5.0
"""Seconds within which a page that is there draws an update; one that says `ready` later has an older output."""
RESTING = frozenset({State.STOPPED, State.COMPLETE, State.FAILED, State.DELETED})
"""States that a job stays in."""


class Live(Protocol):
    """A widget: what it is in a page whose kernel knows it, by MIME type."""

    def live(self) -> dict[str, Any]:
        """Return its own form."""

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it is closed."""


class Page(Live, Protocol):
    """A widget that tells when a page shows it."""

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a page begins to show it; from any thread, and it must not wait."""


class Output:
    """The output of one view of one job."""

    def __init__(
        self, job: Source, view: Page, display: Display, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._job = job
        self._view = view
        self._display = display
        self._clock = clock
        self._id = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._put: dict[str, Any] = {}
        self._state = job.snapshot().state
        self._put_at = clock()
        self._refresh = REFRESH
        self._missed = False
        """Whether a page has come that may not have got the last update; each is put out again once at most."""
        self._repeated = True
        self._resting = Resting()
        self._beat = Beat(self._look, name=f"trainjob-output-{job.name}")

    def open(self) -> None:
        """Put it out for the first time, and keep it up to date from now on."""
        self._update(first=True)
        self._view.on_close(self._job.subscribe(self._changed))
        self._view.on_close(self._job.on_over(self.settle))
        self._view.on_close(self._beat.close)
        self._view.on_ready(self._ready)
        # A job may have ended since it was put out, and then nobody would say so any more.
        self._changed()

    def settle(self) -> None:
        """Put out what is known now, on this thread, if that is another thing than before."""
        self._update()

    def _changed(self) -> None:
        self._resting.news(self._clock())
        self._beat.ring()

    def _ready(self) -> None:
        if not self._repeated and self._clock() >= self._put_at + HEARD:
            self._missed = True
            self._beat.ring()

    def _look(self) -> float | None:
        if self._missed:
            self._missed = False
            self._update(again=True)
        now, state = self._clock(), self._job.snapshot().state
        rests, again = self._resting.ask(state in RESTING, now)
        if rests:
            self._update()
            return None
        due = self._put_at + (PACE if state is not self._state else self._refresh)
        if now < due:
            wait = due - now
            return wait if again is None else min(wait, again)
        if state is self._state:
            self._refresh *= 2
        self._update()
        return again

    def _update(self, *, first: bool = False, again: bool = False) -> None:
        with self._lock:
            self._state, self._put_at = self._job.snapshot().state, self._clock()
            data = {**self._view.live(), **still(self._job)}
            if data == self._put and not again:
                return
            self._repeated = first or data == self._put
            self._put = data
            self._display(data, metadata={}, raw=True, display_id=self._id, update=not first)


class Resting:
    """Tells when a job has come to rest and had time to say its last."""

    def __init__(self) -> None:
        self._told = False
        self._since: float | None = None
        self._news = 0.0

    def news(self, now: float) -> None:
        """Take note that something changed."""
        self._news = now

    def ask(self, resting: bool, now: float) -> tuple[bool, float | None]:
        """Return whether it has come to rest now, which is said once, and in how many seconds to ask again."""
        if not resting:
            self._told, self._since = False, None
            return False, None
        if self._told:
            return False, None
        if self._since is None:
            self._since = now
        due = min(max(self._news, self._since) + SETTLE_QUIET, self._since + SETTLE_LIMIT)
        if now < due:
            return False, due - now
        self._told = True
        return True, None


def still(job: Source) -> dict[str, Any]:
    """Return what shows the job without a kernel, by MIME type."""
    snapshot = job.snapshot()
    return {
        JOB_MIME: {
            "context": snapshot.context,
            "namespace": snapshot.namespace,
            "name": snapshot.name,
            "uid": snapshot.uid,
            "state": snapshot.state.value,
        },
        "text/html": picture.html(snapshot, job.series()),
        "text/plain": text.block(snapshot),
    }
