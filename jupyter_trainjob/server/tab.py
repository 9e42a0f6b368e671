"""A browser tab's end: any number of channels, each of one cluster's namespace.

Between a `stream` and as many `widget.channel.Channel`s as the tab has asked for: the sidebar's list is one, and a
job that lies elsewhere has one of its own. A message in either direction is that of a channel, and its ``channel``, a
number that the tab has chosen. Besides, the tab says ``start``, with ``context`` and ``namespace`` (null: as in all
calls) and whether it wants the ``list`` of jobs, and ``end``; it hears ``started``, with the names of both, or ``refused``,
with the reason in words, after which it may start again.

What is asked of a cluster may take its time, and one that does not answer holds up no other: each channel is opened
by a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.board import board
from jupyter_trainjob.widget.beat import Lane
from jupyter_trainjob.widget.channel import Channel
from jupyter_trainjob.widget.feed import Send
from jupyter_trainjob.widget.panel import JobsFeed
from jupyter_trainjob.widget.requests import ACTIONS
from jupyter_trainjob.widget.text import clean

MOST = 64
"""Channels of a tab."""
FORBIDDEN = "You may look at jobs through this Jupyter server, not change them: its authorizer says so."


class Tab:
    """What a tab has open. `may_act`: whether its user may change jobs."""

    def __init__(self, *, send: Send, may_act: bool) -> None:
        self._send = send
        self._may_act = may_act
        self._lock = threading.Lock()
        self._places: dict[int, _Place] = {}

    def receive(self, content: Any) -> None:
        """Take a message of the tab. Never waits, never raises: what makes no sense is left alone."""
        if not isinstance(content, dict) or type(content.get("channel")) is not int:
            return
        number = content["channel"]
        if content.get("kind") == "start":
            self._start(number, content)
            return
        with self._lock:
            place = self._places.pop(number, None) if content.get("kind") == "end" else self._places.get(number)
        if place is None:
            return
        if content.get("kind") == "end":
            place.close()
        elif content.get("what") in ACTIONS and not self._may_act:
            self._send(
                {"channel": number, "kind": "answer", "id": content.get("id"), "ok": False, "error": FORBIDDEN}, []
            )
        else:
            place.receive(content)

    def close(self) -> None:
        """End all channels and their threads."""
        with self._lock:
            places, self._places = self._places, {}
        for place in places.values():
            place.close()

    def _start(self, number: int, content: Mapping[str, Any]) -> None:
        context, namespace = content.get("context"), content.get("namespace")
        if not all(name is None or isinstance(name, str) for name in (context, namespace)):
            return
        with self._lock:
            before = self._places.pop(number, None)
            if len(self._places) >= MOST:
                why = f"A tab can look at {MOST} places at once: close some of its jobs."
                self._send({"channel": number, "kind": "refused", "why": why}, [])
                return
            place = self._places[number] = _Place(lambda said, parts: self._send({**said, "channel": number}, parts))
        if before is not None:
            before.close()
        place.open(context or None, namespace or None, listed=content.get("list") is True)


class _Place:
    """A channel from the moment it is asked for. What comes for it before it is open waits."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._lane = Lane(name="trainjob-place")
        self._channel: Channel | None = None
        self._waiting: list[Any] = []
        self._closed = False

    def open(self, context: str | None, namespace: str | None, *, listed: bool) -> None:
        self._lane.put(lambda: self._open(context, namespace, listed))

    def receive(self, content: Any) -> None:
        with self._lock:
            if self._channel is None:
                self._waiting.append(content)
                return
        self._channel.receive(content)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._lane.close()
        if self._channel is not None:
            self._channel.close()

    def _open(self, context: str | None, namespace: str | None, listed: bool) -> None:
        try:
            jobs = board(context=context, namespace=namespace)
        except errors.TrainJobError as error:
            self._send({"kind": "refused", "why": clean(str(error))}, [])
            return
        self._send({"kind": "started", "context": jobs.context, "namespace": jobs.namespace}, [])
        channel = Channel(send=self._send, find=jobs.find, name="tab")
        with self._lock:
            self._channel, waiting, self._waiting = channel, self._waiting, []
            closed = self._closed
        if closed:
            channel.close()
            return
        if listed:
            channel.add(jobs.subscribe, lambda send, budget: JobsFeed(jobs, send=send, budget=budget))
        for content in waiting:
            channel.receive(content)
