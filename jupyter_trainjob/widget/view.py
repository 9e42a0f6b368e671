"""The cell's widget: the kernel's end of the comm.

A thread of its own sends what changed (see `feed`). What the front end asks arrives on whatever thread the kernel hears
comms on (the main thread, or a subshell's), perhaps in the middle of a cell: so callbacks only put it on that thread's
queue.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.errors import TrainJobError
from jupyter_trainjob.widget import picture, text
from jupyter_trainjob.widget.feed import Feed, state_of
from jupyter_trainjob.widget.source import Source

STATIC = Path(__file__).parent / "static"
SETTLE_QUIET = 1.0
"""Once a job rests, so long without news are all of its log lines taken to be here,"""
SETTLE_LIMIT = 5.0
"""and after so long in any case."""
RESTING = frozenset({State.STOPPED, State.COMPLETE, State.FAILED, State.DELETED})
"""States that a job stays in: worth a picture."""
_CHANGED, _CLOSE = "changed", "close"


class JobView(anywidget.AnyWidget):
    """A live view of one job. `on_rest(resting)` is called from its thread when the job comes to rest, or goes on."""

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, job: Source, *, on_rest: Callable[[bool], None] | None = None) -> None:
        super().__init__(state={**state_of(job.snapshot()), "now": time.time()})
        self._job = job
        self._on_rest = on_rest
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._feed = Feed(job, send=self._tell, set_state=self._set_state)
        self._closed = threading.Event()
        self.on_msg(self._on_message)
        self._unsubscribe = job.subscribe(lambda: self._queue.put(_CHANGED))
        self._thread = threading.Thread(target=self._serve, name=f"trainjob-view-{job.snapshot().name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the view: its thread, its subscription, its comm."""
        if not self._closed.is_set():
            self._closed.set()
            self._unsubscribe()
            self._queue.put(_CLOSE)
        super().close()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and what stands for it where nothing is live."""
        live = super()._repr_mimebundle_()
        data, metadata = live if live is not None else ({}, {})
        return {**data, **still(self._job)}, metadata

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind in ("ready", "stop"):
            self._queue.put(kind)

    def _serve(self) -> None:
        resting = Resting()
        wait: float | None = 0.0
        while True:
            for message in _drain(self._queue, wait):
                if message == _CLOSE:
                    return
                self._obey(message)
                resting.news(time.monotonic())
            wait = self._feed.tell()
            calm, again = resting.ask(self._job.snapshot().state in RESTING, time.monotonic())
            if calm is not None and self._on_rest is not None:
                self._on_rest(calm)
            wait = min((each for each in (wait, again) if each is not None), default=None)

    def _obey(self, message: str) -> None:
        if message == _CHANGED:
            self._feed.changed()
        elif message == "ready":
            self._feed.ready()
        elif message == "stop":
            # Stopping waits for the last log lines, which are shown meanwhile.
            threading.Thread(target=self._stop, name="trainjob-stop", daemon=True).start()

    def _stop(self) -> None:
        try:
            self._job.stop()
        except TrainJobError as error:
            self._feed.refuse(str(error))

    def _tell(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if not self._closed.is_set():
            self.send(content, buffers)

    def _set_state(self, state: dict[str, Any]) -> None:
        if not self._closed.is_set():
            self.state = state


class Resting:
    """Tells when a job has come to rest, and when it has left it again, as after ``resume``."""

    def __init__(self) -> None:
        self._told = False
        self._since: float | None = None
        self._news = 0.0

    def news(self, now: float) -> None:
        """Take note that something changed."""
        self._news = now

    def ask(self, resting: bool, now: float) -> tuple[bool | None, float | None]:
        """Return (True: rests now, False: goes on, None: nothing new) and in how many seconds to ask again."""
        if not resting:
            went_on, self._told, self._since = self._told, False, None
            return (False if went_on else None), None
        if self._told:
            return None, None
        if self._since is None:
            self._since = now
        due = min(max(self._news, self._since) + SETTLE_QUIET, self._since + SETTLE_LIMIT)
        if now < due:
            return None, due - now
        self._told = True
        return True, None


def still(job: Source) -> dict[str, str]:
    """Return what shows the job without a kernel, by MIME type."""
    snapshot = job.snapshot()
    return {"text/plain": text.block(snapshot), "text/html": picture.html(snapshot, job.metrics())}


def _drain(messages: queue.SimpleQueue[str], wait: float | None) -> list[str]:
    """Wait for a message at most `wait` seconds; return all that are there."""
    found = []
    try:
        found.append(messages.get(timeout=wait) if wait is None or wait > 0 else messages.get_nowait())
        while True:
            found.append(messages.get_nowait())
    except queue.Empty:
        return found
