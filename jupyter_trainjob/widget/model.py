"""The kernel's side of the widget.

Messages go through a `channel.Channel`; `output` saves the view in the notebook. Only values of a bounded size are
traits, which the front end restores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jupyter_trainjob.client.job_list import JobList
from jupyter_trainjob.feed.channel import Channel
from jupyter_trainjob.feed.list_feed import JobListFeed
from jupyter_trainjob.feed.view_state import head_json
from jupyter_trainjob.rendering.job_source import JobSource
from jupyter_trainjob.rendering.text import LIVE, sanitize
from jupyter_trainjob.widget.output import static_mime
from jupyter_trainjob.widget.subshells import route_by_requested_subshell

STATIC = Path(__file__).parent / "static"


class View(anywidget.AnyWidget):
    """A widget with views of jobs. It stays live until it is closed or the kernel ends."""

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"
    kind = traitlets.Unicode("job").tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, *, find_job: Callable[[str], JobSource], name: str, **traits: Any) -> None:
        super().__init__(**traits)
        self._closed = threading.Event()
        self._on_close: list[Callable[[], None]] = []
        self._on_ready: list[Callable[[], None]] = []
        self._channel = Channel(send=self.send, find_job=find_job, name=name)
        self.on_msg(self._on_message)
        route_by_requested_subshell(self.comm)

    def live_mime(self) -> dict[str, Any]:
        """Return the widget by MIME type, for a front end connected to the kernel."""
        bundle = super()._repr_mimebundle_()
        data: dict[str, Any] = {} if bundle is None else bundle[0]
        return {mime: value for mime, value in data.items() if mime != "text/plain"}

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the view is closed."""
        self._on_close.append(callback)

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a front end renders the view; it must not block."""
        self._on_ready.append(callback)

    def close(self) -> None:
        """Close the view with its threads, subscriptions and comm."""
        if not self._closed.is_set():
            self._closed.set()
            self._channel.close()
            for callback in self._on_close:
                callback()
        super().close()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for each thread of a closed view; return whether all have exited."""
        return self._channel.join(timeout)

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        self._channel.receive(content)
        if isinstance(content, dict) and content.get("kind") == "ready":
            for callback in self._on_ready:
                callback()


class JobView(View):
    """A live view of one job, and of other jobs opened in it.

    `previous` is a running job that the same cell sent before: the front end offers to stop it.
    """

    before = traitlets.Dict().tag(sync=True)

    def __init__(self, job: JobSource, *, previous: JobSource | None = None) -> None:
        super().__init__(
            find_job=job.sibling,
            name=job.name,
            state={**head_json(job.snapshot()), "now": time.time()},
            before={} if previous is None else {"uid": previous.uid, "name": sanitize(previous.name)},
        )
        self._job = job
        self._channel.open(job, set_state=self._set_state)
        if previous is not None:
            self.on_close(previous.subscribe(lambda: self._clear_previous(previous)))

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the live and the static output."""
        return {**self.live_mime(), **static_mime(self._job)}, {}

    def _clear_previous(self, previous: JobSource) -> None:
        """Withdraw the offer to stop the previous job once it is over."""
        if self.before and not self._closed.is_set() and previous.snapshot().state not in LIVE:
            self.before = {}

    def _set_state(self, state: dict[str, Any]) -> None:
        if not self._closed.is_set():
            self.state = state


class PanelView(View):
    """A live list of the jobs of a namespace, with views of jobs opened in it."""

    def __init__(self, jobs: JobList) -> None:
        super().__init__(find_job=jobs.find_job, name="panel", kind="panel")
        self._channel.add_feed(
            jobs.subscribe, lambda send, rate_limiter: JobListFeed(jobs, send=send, rate_limiter=rate_limiter)
        )
