"""A browser tab's end: any number of channels, each of one cluster's namespace.

Between a `stream` and as many `widget.channel.Channel`s as the tab has asked for: the sidebar's list is one, and a
job that lies elsewhere has one of its own. A message in either direction is that of a channel, and its ``channel``, a
number that the tab has chosen. Besides, the tab says ``start``, with ``context`` and ``namespace`` (null: as in all
calls) and whether it wants the ``list`` of jobs, and ``end``; it hears ``started``, with the names of both, or
``refused``, with the reason in words, after which it may start again.

What is asked of a cluster may take its time, and one that does not answer holds up no other: each channel is opened
by a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.board import Board, board
from jupyter_trainjob.server.policy import EVERYTHING, Policy
from jupyter_trainjob.widget.beat import Lane
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.channel import Channel, Telling
from jupyter_trainjob.widget.feed import Send
from jupyter_trainjob.widget.panel import JobsFeed, TroubleFeed
from jupyter_trainjob.widget.requests import ACTIONS
from jupyter_trainjob.widget.text import clean

MOST = 64
"""Channels of a tab."""
FORBIDDEN = "You may look at jobs through this Jupyter server, not change them: its authorizer says so."


class Tab:
    """What a tab has open. `may_act`: whether its user may change jobs; `policy`: where anybody may look at all."""

    def __init__(self, *, send: Send, may_act: bool, policy: Policy = EVERYTHING) -> None:
        self._send = send
        self._policy = policy
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
            place = self._places[number] = _Place(
                lambda said, parts: self._send({**said, "channel": number}, parts), self._policy
            )
        if before is not None:
            before.close()
        place.open(context or None, namespace or None, listed=content.get("list") is True)


class _Place:
    """A channel from the moment it is asked for. What comes for its jobs before they are known waits.

    It watches as long as it is there, so that nothing it does asks an embedded cluster that somebody has stopped,
    which would start it. A thread of its own opens and closes it, for either may take as long as a cluster that does
    not answer.
    """

    def __init__(self, send: Send, policy: Policy) -> None:
        self._send = send
        self._policy = policy
        self._lock = threading.Lock()
        self._lane = Lane(name="trainjob-place")
        self._channel: Channel | None = None
        self._waiting: list[Any] = []
        self._known = self._closed = False
        self._refused = ""

    def open(self, context: str | None, namespace: str | None, *, listed: bool) -> None:
        self._lane.put(lambda: self._open(context, namespace, listed))

    def receive(self, content: Mapping[str, Any]) -> None:
        with self._lock:
            refused = self._refused
            if self._channel is not None and (self._known or "job" not in content):
                self._channel.receive(content)
            elif not refused and "job" in content:  # Else it asks for a list, which is told whole at first anyway.
                self._waiting.append(content)
        if refused:
            self._refuse(content, refused)

    def close(self) -> None:
        """End it, soon."""
        with self._lock:
            self._closed = True
        self._lane.put(self._close)

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._lane.close()

    def _tell(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if not self._closed:
            self._send(content, buffers)

    def _open(self, context: str | None, namespace: str | None, listed: bool) -> None:
        try:
            self._policy.check(context)
            jobs = board(context=context, namespace=namespace)
        except errors.TrainJobError as error:
            why = clean(str(error))
            self._tell({"kind": "refused", "why": why}, [])
            with self._lock:
                self._refused, waiting, self._waiting = why, self._waiting, []
            for content in waiting:
                self._refuse(content, why)
            return
        if self._closed:
            return
        self._tell({"kind": "started", "context": jobs.context, "namespace": jobs.namespace}, [])
        channel = Channel(send=self._tell, find=jobs.find, name="tab")

        def feed(send: Send, budget: Budget) -> _Opening:
            inner = JobsFeed(jobs, send=send, budget=budget) if listed else TroubleFeed(jobs, send=send)
            return _Opening(inner, jobs, self._jobs_are_known)

        with self._lock:
            self._channel = channel
        channel.add(jobs.subscribe, feed)

    def _jobs_are_known(self) -> None:
        with self._lock:
            if self._channel is None:
                return
            self._known, waiting, self._waiting = True, self._waiting, []
            for content in waiting:
                self._channel.receive(content)

    def _refuse(self, content: Mapping[str, Any], why: str) -> None:
        if content.get("kind") == "ask":
            self._tell({"kind": "answer", "id": content.get("id"), "ok": False, "error": why}, [])


class _Opening:
    """A feed of a place, which says, too, when the place's jobs have become known."""

    def __init__(self, inner: Telling, jobs: Board, known: Callable[[], None]) -> None:
        self.changed = inner.changed
        self.ready = inner.ready
        self._inner = inner
        self._jobs = jobs
        self._known: Callable[[], None] | None = known

    def tell(self) -> float | None:
        if self._known is not None and self._jobs.synced:
            self._known()
            self._known = None
        return self._inner.tell()
