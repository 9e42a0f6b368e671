"""The widget: the kernel's end of the comm.

What it says and hears goes through a `channel.Channel`; what the notebook keeps of it is put out by `output`. Small
things that are always whole are traits, which the host restores; nothing that grows is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jupyter_trainjob.client.board import Board
from jupyter_trainjob.widget.channel import Channel
from jupyter_trainjob.widget.output import still
from jupyter_trainjob.widget.panel import JobsFeed
from jupyter_trainjob.widget.source import Source
from jupyter_trainjob.widget.state import state_of
from jupyter_trainjob.widget.subshells import let_pages_choose

STATIC = Path(__file__).parent / "static"


class View(anywidget.AnyWidget):
    """A page of jobs. Stays live until it is closed, or the kernel ends."""

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"
    kind = traitlets.Unicode("job").tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, *, find: Callable[[str], Source], name: str, **traits: Any) -> None:
        super().__init__(**traits)
        self._closed = threading.Event()
        self._on_close: list[Callable[[], None]] = []
        self._on_ready: list[Callable[[], None]] = []
        self._channel = Channel(send=self.send, find=find, name=name)
        self.on_msg(self._on_message)
        let_pages_choose(self.comm)

    def live(self) -> dict[str, Any]:
        """Return what it is in a page whose kernel knows it, by MIME type."""
        found = super()._repr_mimebundle_()
        data: dict[str, Any] = {} if found is None else found[0]
        return {kind: form for kind, form in data.items() if kind != "text/plain"}

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the view is closed."""
        self._on_close.append(callback)

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a page begins to show the view; it must not wait."""
        self._on_ready.append(callback)

    def close(self) -> None:
        """End the view: its threads, its subscriptions, its comm."""
        if not self._closed.is_set():
            self._closed.set()
            self._channel.close()
            for callback in self._on_close:
                callback()
        super().close()

    def join(self, timeout: float) -> bool:
        """Wait for the threads of a closed view; False if it took longer."""
        return self._channel.join(timeout)

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        self._channel.receive(content)
        if isinstance(content, dict) and content.get("kind") == "ready":
            for callback in self._on_ready:
                callback()


class JobView(View):
    """A live view of one job, and of those that the page opens below it."""

    def __init__(self, job: Source) -> None:
        super().__init__(find=job.other, name=job.name, state={**state_of(job.snapshot()), "now": time.time()})
        self._job = job
        self._channel.open(job, set_state=self._set_state)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live view, and what stands for it where nothing is live."""
        return {**self.live(), **still(self._job)}, {}

    def _set_state(self, state: dict[str, Any]) -> None:
        if not self._closed.is_set():
            self.state = state


class PanelView(View):
    """A live list of the jobs of a namespace, and of those that the page opens below it."""

    def __init__(self, jobs: Board) -> None:
        super().__init__(find=jobs.find, name="panel", kind="panel")
        self._channel.add(jobs.subscribe, lambda send, budget: JobsFeed(jobs, send=send, budget=budget))
