"""The cell's widget: the kernel's end of the comm.

What it says and hears goes through a `channel.Channel`; what the notebook keeps of it is put out by `show`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget import picture, text
from jupyter_trainjob.widget.beat import Beat
from jupyter_trainjob.widget.channel import Channel
from jupyter_trainjob.widget.source import Source
from jupyter_trainjob.widget.state import state_of

STATIC = Path(__file__).parent / "static"
SETTLE_QUIET = 1.0
"""Once a job rests, so long without news are all of its log lines taken to be here,"""
SETTLE_LIMIT = 5.0
"""and after so long in any case."""
RESTING = frozenset({State.STOPPED, State.COMPLETE, State.FAILED, State.DELETED})
"""States that a job stays in: worth a picture."""


class JobView(anywidget.AnyWidget):
    """A live view of one job. `on_rest(resting)` is called from its thread when the job comes to rest, or goes on."""

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"
    kind = traitlets.Unicode("job", read_only=True).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, job: Source, *, on_rest: Callable[[bool], None] | None = None) -> None:
        super().__init__(state={**state_of(job.snapshot()), "now": time.time()})
        self._job = job
        self._on_rest = on_rest
        self._resting = Resting()
        self._closed = threading.Event()
        self._channel = Channel(send=self.send, find=job.other, name=job.name)
        self.on_msg(self._on_message)
        self._channel.open(job, set_state=self._set_state)
        self._beat = Beat(self._look, name=f"trainjob-rest-{job.name}")
        self._unsubscribe = job.subscribe(self._changed)
        self._beat.ring()

    def close(self) -> None:
        """End the view: its threads, its subscriptions, its comm."""
        if not self._closed.is_set():
            self._closed.set()
            self._unsubscribe()
            self._beat.close()
            self._channel.close()
        super().close()

    def join(self, timeout: float) -> bool:
        """Wait for the threads of a closed view; False if it took longer."""
        return self._channel.join(timeout) and self._beat.join(timeout)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and what stands for it where nothing is live."""
        live = super()._repr_mimebundle_()
        data, metadata = live if live is not None else ({}, {})
        return {**data, **still(self._job)}, metadata

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        self._channel.receive(content)

    def _changed(self) -> None:
        self._resting.news(time.monotonic())
        self._beat.ring()

    def _look(self) -> float | None:
        calm, again = self._resting.ask(self._job.snapshot().state in RESTING, time.monotonic())
        if calm is not None and self._on_rest is not None:
            self._on_rest(calm)
        return again

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
