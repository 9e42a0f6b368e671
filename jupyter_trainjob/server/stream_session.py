"""One browser tab's session: any number of channels, each for a cluster's namespace.

It connects a `stream_socket` with the `feed.channel.Channel`s that the tab has started: one for the sidebar's list, and
one for each job in another namespace. Messages in both directions have a ``channel``, a number that the tab chooses, in
addition to the entries of a `Channel`'s messages. The tab starts a channel with ``start``, with ``context`` and
``namespace`` (null for the default) and whether to send the ``list`` of jobs, and ends it with ``end``. The answer to
``start`` is ``started``, with the names of both, or ``refused``, with the error message, after which the tab may start
the channel again.

Each channel is opened on a thread of its own, so that a cluster that does not respond delays no other channel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.job_list import JobList, job_list
from jupyter_trainjob.feed.background import SerialExecutor
from jupyter_trainjob.feed.channel import Channel, Feed
from jupyter_trainjob.feed.job_feed import Send
from jupyter_trainjob.feed.list_feed import JobListFeed, ListErrorFeed
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.feed.request_handlers import ACTIONS
from jupyter_trainjob.rendering.text import sanitize
from jupyter_trainjob.server.access_policy import UNRESTRICTED, Policy

MAX_CHANNELS = 64
"""Maximum channels of a tab."""
FORBIDDEN = "The authorizer of this Jupyter server permits you to see jobs, not to change them."


class TabSession:
    """The open channels of a tab.

    `send` sends a message with its buffers, from any thread; `may_act` is whether the user may change jobs.
    """

    def __init__(self, *, send: Send, may_act: bool, policy: Policy = UNRESTRICTED) -> None:
        self._send = send
        self._policy = policy
        self._may_act = may_act
        self._lock = threading.Lock()
        self._channels: dict[int, _SessionChannel] = {}

    def receive(self, content: Any) -> None:
        """Handle a message of the tab. Never blocks, never raises; malformed messages are ignored."""
        if not isinstance(content, dict) or type(content.get("channel")) is not int:
            return
        number = content["channel"]
        if content.get("kind") == "start":
            self._start(number, content)
            return
        with self._lock:
            channel = self._channels.pop(number, None) if content.get("kind") == "end" else self._channels.get(number)
        if channel is None:
            return
        if content.get("kind") == "end":
            channel.close()
        elif content.get("what") in ACTIONS and not self._may_act:
            self._send(
                {"channel": number, "kind": "answer", "id": content.get("id"), "ok": False, "error": FORBIDDEN}, []
            )
        else:
            channel.receive(content)

    def close(self) -> None:
        """Close all channels and their threads."""
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def _start(self, number: int, content: Mapping[str, Any]) -> None:
        context, namespace = content.get("context"), content.get("namespace")
        if not all(name is None or isinstance(name, str) for name in (context, namespace)):
            return
        with self._lock:
            previous = self._channels.pop(number, None)
            if len(self._channels) >= MAX_CHANNELS:
                why = f"A tab can have {MAX_CHANNELS} channels: close some of its jobs."
                self._send({"channel": number, "kind": "refused", "why": why}, [])
                return
            channel = self._channels[number] = _SessionChannel(
                lambda message, buffers: self._send({**message, "channel": number}, buffers), self._policy
            )
        if previous is not None:
            previous.close()
        channel.open(context or None, namespace or None, listed=content.get("list") is True)


class _SessionChannel:
    """A channel of a tab, from its start on. Messages about jobs wait until the list of jobs is synced.

    It uses a watch throughout, since other requests would start a stopped embedded cluster. It is opened and closed on
    a thread of its own, since both may block while a cluster does not respond.
    """

    def __init__(self, send: Send, policy: Policy) -> None:
        self._send = send
        self._policy = policy
        self._lock = threading.Lock()
        self._executor = SerialExecutor(name="trainjob-channel")
        self._channel: Channel | None = None
        self._waiting: list[Any] = []
        self._synced = self._closed = False
        self._refusal = ""

    def open(self, context: str | None, namespace: str | None, *, listed: bool) -> None:
        self._executor.submit(lambda: self._open(context, namespace, listed))

    def receive(self, content: Mapping[str, Any]) -> None:
        with self._lock:
            refusal = self._refusal
            if self._channel is not None and (self._synced or "job" not in content):
                self._channel.receive(content)
            elif not refusal and "job" in content:  # Other messages concern the list, which is sent whole anyway.
                self._waiting.append(content)
        if refusal:
            self._refuse(content, refusal)

    def close(self) -> None:
        """Close the channel, in the background."""
        with self._lock:
            self._closed = True
        self._executor.submit(self._close)

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._executor.close()

    def _send_if_open(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if not self._closed:
            self._send(content, buffers)

    def _open(self, context: str | None, namespace: str | None, listed: bool) -> None:
        try:
            self._policy.check_context(context)
            jobs = job_list(context=context, namespace=namespace)
        except errors.TrainJobError as error:
            why = sanitize(str(error))
            self._send_if_open({"kind": "refused", "why": why}, [])
            with self._lock:
                self._refusal, waiting, self._waiting = why, self._waiting, []
            for content in waiting:
                self._refuse(content, why)
            return
        if self._closed:
            return
        self._send_if_open({"kind": "started", "context": jobs.context, "namespace": jobs.namespace}, [])
        channel = Channel(send=self._send_if_open, find_job=jobs.find_job, name="tab")

        def make_feed(send: Send, rate_limiter: RateLimiter) -> _SyncedFeed:
            inner = (
                JobListFeed(jobs, send=send, rate_limiter=rate_limiter) if listed else ListErrorFeed(jobs, send=send)
            )
            return _SyncedFeed(inner, jobs, self._on_synced)

        with self._lock:
            self._channel = channel
        channel.add_feed(jobs.subscribe, make_feed)

    def _on_synced(self) -> None:
        with self._lock:
            if self._channel is None:
                return
            self._synced, waiting, self._waiting = True, self._waiting, []
            for content in waiting:
                self._channel.receive(content)

    def _refuse(self, content: Mapping[str, Any], why: str) -> None:
        if content.get("kind") == "ask":
            self._send_if_open({"kind": "answer", "id": content.get("id"), "ok": False, "error": why}, [])


class _SyncedFeed:
    """Wraps a feed, and calls `on_synced` once when the list of jobs is synced."""

    def __init__(self, inner: Feed, jobs: JobList, on_synced: Callable[[], None]) -> None:
        self.mark_changed = inner.mark_changed
        self.resend_all = inner.resend_all
        self._inner = inner
        self._jobs = jobs
        self._on_synced: Callable[[], None] | None = on_synced

    def send_due(self) -> float | None:
        if self._on_synced is not None and self._jobs.synced:
            self._on_synced()
            self._on_synced = None
        return self._inner.send_due()
