"""The connection to one front end, with any number of open jobs.

The kernel delivers comm messages on the main thread, possibly during a cell, or on a subshell's thread; `receive`
therefore only queues them. One thread sends updates (`background.TriggeredTask`), a second answers reads, and each job
has one for its actions, in the order of the requests: a slow stop delays neither updates, nor reads, nor other jobs.
Each request gets exactly one answer.

``labextension/src/core/protocol/messages.ts`` declares the messages, `request_handlers` the requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.feed.background import SerialExecutor, TriggeredTask
from jupyter_trainjob.feed.job_feed import JobFeed, Send
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.feed.request_handlers import ACTIONS, READS, Handler
from jupyter_trainjob.feed.view_state import head_json
from jupyter_trainjob.rendering.job_source import Answer, JobSource
from jupyter_trainjob.rendering.text import sanitize

_log = logging.getLogger(__name__)

Subscribe = Callable[[Callable[[], None]], Callable[[], None]]
"""Registers a callback for changes and returns the function that removes it."""


class Feed(Protocol):
    """A source of messages for a front end, such as `job_feed.JobFeed`. Called from one thread."""

    def mark_changed(self) -> None:
        """Make the next `send_due` check for changes."""

    def resend_all(self) -> None:
        """Make the next `send_due` send everything: a front end was reloaded."""

    def send_due(self) -> float | None:
        """Send what is due; return the seconds until the next call, None to wait for a change."""


class Channel:
    """The kernel's or server's end of the connection.

    `send` sends a JSON message with its binary buffers, from any thread. `find_job` returns a job by its uid and raises
    `errors.TrainJobError` if it cannot; a `UsageError` means that the job does not exist.
    """

    def __init__(self, *, send: Send, find_job: Callable[[str], JobSource], name: str) -> None:
        self._send = send
        self._find_job = find_job
        self._lock = threading.Lock()
        self._feeds: dict[str, _OpenFeed] = {}
        self._inbox: deque[tuple[str, str | None]] = deque()
        self._pending_actions: dict[tuple[str, str], list[str]] = {}
        """Ids of the requests that wait for an action, by job uid and action."""
        self._closed = False
        self._first = 0
        self._rate_limiter = RateLimiter()
        self._updates = TriggeredTask(self._send_updates, name=f"trainjob-view-{name}")
        self._reads = SerialExecutor(name=f"trainjob-asks-{name}")
        self._actions: dict[str, SerialExecutor] = {}

    def open(self, job: JobSource, *, set_state: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Send updates of `job`; its head goes to `set_state` if given, else into messages."""
        feed = JobFeed(job, send=self._send_if_open, rate_limiter=self._rate_limiter, set_state=set_state)
        self._add(job.uid, _OpenFeed(feed, self._updates.trigger, job), job.subscribe)

    def add_feed(self, subscribe: Subscribe, make_feed: Callable[[Send, RateLimiter], Feed]) -> None:
        """Send updates of something other than a job, such as a list of jobs."""
        feed = make_feed(self._send_if_open, self._rate_limiter)
        self._add("", _OpenFeed(feed, self._updates.trigger), subscribe)

    def _add(self, uid: str, feed: _OpenFeed, subscribe: Subscribe) -> None:
        with self._lock:
            if self._closed or uid in self._feeds:
                return
            self._feeds[uid] = feed
        feed.subscribe(subscribe)
        self._updates.trigger()

    def close(self) -> None:
        """Close all feeds and stop all threads."""
        with self._lock:
            self._closed = True
            feeds, self._feeds = list(self._feeds.values()), {}
        for feed in feeds:
            feed.close()
        for worker in self._workers():
            worker.close()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for each thread of a closed channel; return whether all have exited."""
        return all(worker.join(timeout) for worker in self._workers())

    def receive(self, content: Any) -> None:
        """Queue a message of the front end. Never blocks, never raises; malformed messages are ignored."""
        if not isinstance(content, dict):
            return
        kind, job = content.get("kind"), content.get("job")
        if kind == "ask" and isinstance(content.get("id"), str):
            self._queue_request(content["id"], job, content)
        elif kind == "open" and isinstance(job, str):
            self._reads.submit(lambda: self._find_and_open(job))
        elif (kind == "close" and isinstance(job, str)) or (kind == "ready" and isinstance(job, str | None)):
            self._inbox.append((str(kind), job))
            self._updates.trigger()

    def _workers(self) -> list[TriggeredTask | SerialExecutor]:
        with self._lock:
            return [self._updates, self._reads, *self._actions.values()]

    def _queue_request(self, request: str, job: Any, content: Mapping[str, Any]) -> None:
        operation = content.get("what")
        if (
            not isinstance(job, str)
            or not isinstance(operation, str)
            or not (operation in ACTIONS or operation in READS)
        ):
            self._reads.submit(lambda: self._refuse(request, _unknown_request(operation)))
        elif operation in READS:
            self._reads.submit(lambda: self._reply(request, self._run_handler(job, READS[operation], content)))
        else:
            self._queue_action(request, job, operation, content)

    def _queue_action(self, request: str, job: str, action: str, content: Mapping[str, Any]) -> None:
        with self._lock:
            executor = self._actions.setdefault(job, SerialExecutor(name=f"trainjob-acts-{job}"))
            waiting = self._pending_actions.setdefault((job, action), [])
            waiting.append(request)
            if self._closed or len(waiting) > 1:
                return  # The same action is queued or running: it runs once and answers all its requests.

        def run_action() -> None:
            answer = self._run_handler(job, ACTIONS[action], content)
            with self._lock:
                requests = self._pending_actions.pop((job, action))
            for waiting_request in requests:
                self._reply(waiting_request, answer)

        executor.submit(run_action)

    def _run_handler(self, uid: str, handler: Handler, content: Mapping[str, Any]) -> Answer | str:
        """Return the answer, or an error message."""
        try:
            feed = self._feeds.get(uid)
            job = None if feed is None else feed.job
            return handler(job or self._find_job(uid), content)
        except errors.TrainJobError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - each request needs an answer, also if a handler has a bug
            _log.exception("a request of the widget failed")
            return f"jupyter_trainjob {VERSION} failed to handle the request: {type(error).__name__}: {error}"

    def _reply(self, request: str, answer: Answer | str) -> None:
        if isinstance(answer, str):
            self._refuse(request, answer)
        else:
            content, buffers = answer
            self._send_if_open({**content, "kind": "answer", "id": request, "ok": True}, buffers)

    def _refuse(self, request: str, message: str) -> None:
        self._send_if_open({"kind": "answer", "id": request, "ok": False, "error": sanitize(message)}, [])

    def _find_and_open(self, uid: str) -> None:
        if uid not in self._feeds:
            try:
                self.open(self._find_job(uid))
            except errors.UsageError as error:
                deleted = Snapshot(uid=uid, name="", namespace="", context="", state=State.DELETED, reason=str(error))
                head = {**head_json(deleted), "now": time.time()}
                self._send_if_open({"kind": "head", "job": uid, "head": head}, [])
                return
            except errors.TrainJobError as error:
                _log.warning("cannot show the job %s: %s", uid, error)
                return
        self._inbox.append(("ready", uid))
        self._updates.trigger()

    def _send_updates(self) -> float | None:
        while self._inbox:
            self._handle_feed_message(*self._inbox.popleft())
        with self._lock:
            feeds = list(self._feeds.values())
        first = self._first = (self._first + 1) % max(1, len(feeds))  # Feeds share the rate limit: rotate the first.
        delays = [feed.send_due() for feed in [*feeds[first:], *feeds[:first]]]
        return min((delay for delay in delays if delay is not None), default=None)

    def _handle_feed_message(self, kind: str, job: str | None) -> None:
        with self._lock:
            feeds = [feed for uid, feed in self._feeds.items() if job in (None, uid)]
            if kind == "close" and job is not None:
                self._feeds.pop(job, None)
        for feed in feeds:
            if kind == "close":
                feed.close()
            else:
                feed.resend_all()

    def _send_if_open(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if not self._closed:
            self._send(content, buffers)


class _OpenFeed:
    """A feed with its subscription; `job` is its job, None for a feed of something else."""

    def __init__(self, feed: Feed, trigger: Callable[[], None], job: JobSource | None = None) -> None:
        self.feed = feed
        self.job = job
        self._trigger = trigger
        self._changed = True
        self._lock = threading.Lock()
        self._closed = False
        self._unsubscribe: Callable[[], None] | None = None

    def subscribe(self, subscribe: Subscribe) -> None:
        unsubscribe = subscribe(self._on_change)
        with self._lock:
            self._unsubscribe, closed = unsubscribe, self._closed
        if closed:  # `close` was called before the subscription existed.
            self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()

    def resend_all(self) -> None:
        self.feed.resend_all()

    def send_due(self) -> float | None:
        if self._changed:
            self._changed = False
            self.feed.mark_changed()
        return self.feed.send_due()

    def _on_change(self) -> None:
        self._changed = True
        self._trigger()


def _unknown_request(operation: Any) -> str:
    return (
        f"This kernel cannot do {operation!r}: it runs jupyter_trainjob {VERSION}, and this page shows another "
        "version. Restart the kernel, or reload the page."
    )
