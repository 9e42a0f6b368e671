"""One comm, any number of jobs: takes what the front end asks, and feeds it the jobs that are open.

Messages come in on whatever thread the kernel hears comms on: the main thread, perhaps in the middle of a cell, or a
subshell's. So `receive` only takes note. The feeds are told from one thread (`beat.Beat`), what only tells is answered
from a second, and what changes a job happens on one for each job, in the order in which it was asked: a long stop holds
up neither curves nor a look into the logs, nor other jobs. Each request gets exactly one answer.

The messages are described in ``labextension/src/core/protocol.ts``, the requests in `requests`.
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
from jupyter_trainjob.widget.beat import Beat, Lane
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.feed import Feed, Send
from jupyter_trainjob.widget.requests import ACTIONS, READS, Handler
from jupyter_trainjob.widget.source import Answer, Source
from jupyter_trainjob.widget.state import state_of
from jupyter_trainjob.widget.text import clean

_log = logging.getLogger(__name__)

Subscribe = Callable[[Callable[[], None]], Callable[[], None]]
"""Has its argument called back after each change, until what it returns is called."""


class Telling(Protocol):
    """What tells a front end something; see `feed.Feed`."""

    def changed(self) -> None:
        """Take note that there may be news."""

    def ready(self) -> None:
        """Make the next `tell` send everything."""

    def tell(self) -> float | None:
        """Send what is due, and return in how many seconds to come again; None: when something changes."""


class Channel:
    """The kernel's end. `find` returns a job by its uid, `send` reaches the front end, from any thread."""

    def __init__(self, *, send: Send, find: Callable[[str], Source], name: str) -> None:
        self._send = send
        self._find = find
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        self._inbox: deque[tuple[str, str | None]] = deque()
        self._doing: dict[tuple[str, str], list[str]] = {}
        self._closed = False
        self._turn = 0
        self._budget = Budget()
        self._beat = Beat(self._tell, name=f"trainjob-view-{name}")
        self._reads = Lane(name=f"trainjob-asks-{name}")
        self._actions: dict[str, Lane] = {}

    def open(self, job: Source, *, set_state: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Feed a job from now on; `set_state` takes its head, which goes as a message otherwise."""
        feed = Feed(job, send=self._tell_front, budget=self._budget, set_state=set_state)
        self._feed(job.uid, _Open(feed, self._beat.ring, job), job.subscribe)

    def add(self, subscribe: Subscribe, feed: Callable[[Send, Budget], Telling]) -> None:
        """Feed something else than a job, such as a list of them."""
        self._feed("", _Open(feed(self._tell_front, self._budget), self._beat.ring), subscribe)

    def _feed(self, uid: str, opened: _Open, subscribe: Subscribe) -> None:
        with self._lock:
            if self._closed or uid in self._open:
                return
            self._open[uid] = opened
        opened.follow(subscribe)
        self._beat.ring()

    def close(self) -> None:
        """End all feeds and all threads."""
        with self._lock:
            self._closed = True
            opened, self._open = list(self._open.values()), {}
        for each in opened:
            each.leave()
        for thread in self._threads():
            thread.close()

    def join(self, timeout: float) -> bool:
        """Wait for the threads of a closed channel; False if it took longer."""
        return all(each.join(timeout) for each in self._threads())

    def receive(self, content: Any) -> None:
        """Take a message of the front end. Never waits, never raises: what makes no sense is left alone."""
        if not isinstance(content, dict):
            return
        kind, job = content.get("kind"), content.get("job")
        if kind == "ask" and isinstance(content.get("id"), str):
            self._ask(content["id"], job, content)
        elif kind == "open" and isinstance(job, str):
            self._reads.put(lambda: self._find_and_open(job))
        elif (kind == "close" and isinstance(job, str)) or (kind == "ready" and isinstance(job, str | None)):
            self._inbox.append((str(kind), job))
            self._beat.ring()

    def _threads(self) -> list[Beat | Lane]:
        with self._lock:
            return [self._beat, self._reads, *self._actions.values()]

    def _ask(self, request: str, job: Any, content: Mapping[str, Any]) -> None:
        what = content.get("what")
        if not isinstance(job, str) or not isinstance(what, str) or not (what in ACTIONS or what in READS):
            self._reads.put(lambda: self._refuse(request, _unknown(what)))
        elif what in READS:
            self._reads.put(lambda: self._reply(request, self._carry_out(job, READS[what], content)))
        else:
            self._act(request, job, what, content)

    def _act(self, request: str, job: str, what: str, content: Mapping[str, Any]) -> None:
        with self._lock:
            lane = self._actions.setdefault(job, Lane(name=f"trainjob-acts-{job}"))
            waiting = self._doing.setdefault((job, what), [])
            waiting.append(request)
            if self._closed or len(waiting) > 1:
                return  # It is being done, or will be: one deed, an answer to each who asked.

        def carry_out() -> None:
            answer = self._carry_out(job, ACTIONS[what], content)
            with self._lock:
                asked = self._doing.pop((job, what))
            for each in asked:
                self._reply(each, answer)

        lane.put(carry_out)

    def _carry_out(self, uid: str, handler: Handler, content: Mapping[str, Any]) -> Answer | str:
        """Return the answer, or why there is none."""
        try:
            opened = self._open.get(uid)
            job = None if opened is None else opened.job
            return handler(job or self._find(uid), content)
        except errors.TrainJobError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - who asked waits for an answer, whatever is wrong here
            _log.exception("a request of the widget failed")
            return f"jupyter_trainjob {VERSION} failed at it: {type(error).__name__}: {error}"

    def _reply(self, request: str, answer: Answer | str) -> None:
        if isinstance(answer, str):
            self._refuse(request, answer)
        else:
            content, buffers = answer
            self._tell_front({**content, "kind": "answer", "id": request, "ok": True}, buffers)

    def _refuse(self, request: str, why: str) -> None:
        self._tell_front({"kind": "answer", "id": request, "ok": False, "error": clean(why)}, [])

    def _find_and_open(self, uid: str) -> None:
        if uid not in self._open:
            try:
                self.open(self._find(uid))
            except errors.UsageError as error:
                gone = Snapshot(uid=uid, name="", namespace="", context="", state=State.DELETED, reason=str(error))
                head = {**state_of(gone), "now": time.time()}
                self._tell_front({"kind": "head", "job": uid, "head": head}, [])
                return
            except errors.TrainJobError as error:
                _log.warning("cannot show the job %s: %s", uid, error)
                return
        self._inbox.append(("ready", uid))
        self._beat.ring()

    def _tell(self) -> float | None:
        while self._inbox:
            kind, job = self._inbox.popleft()
            with self._lock:
                meant = [each for uid, each in self._open.items() if job in (None, uid)]
                if kind == "close" and job is not None:
                    self._open.pop(job, None)
            for each in meant:
                if kind == "close":
                    each.leave()
                else:
                    each.feed.ready()
        with self._lock:
            opened = list(self._open.values())
        turn = self._turn = (self._turn + 1) % max(1, len(opened))
        opened = [*opened[turn:], *opened[:turn]]  # Where they have to share, each is the first one once.
        waits = [each.tell() for each in opened]
        return min((wait for wait in waits if wait is not None), default=None)

    def _tell_front(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if not self._closed:
            self._send(content, buffers)


class _Open:
    """Something that is being fed; `job` where it is one."""

    def __init__(self, feed: Telling, ring: Callable[[], None], job: Source | None = None) -> None:
        self.feed = feed
        self.job = job
        self._ring = ring
        self._changed = True
        self._lock = threading.Lock()
        self._left = False
        self._unsubscribe: Callable[[], None] | None = None

    def follow(self, subscribe: Subscribe) -> None:
        unsubscribe = subscribe(self._on_change)
        with self._lock:
            self._unsubscribe, left = unsubscribe, self._left
        if left:  # Closed while it was being opened.
            self.leave()

    def leave(self) -> None:
        with self._lock:
            self._left = True
            unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()

    def tell(self) -> float | None:
        if self._changed:
            self._changed = False
            self.feed.changed()
        return self.feed.tell()

    def _on_change(self) -> None:
        self._changed = True
        self._ring()


def _unknown(what: Any) -> str:
    return (
        f"This kernel cannot do {what!r}: it runs jupyter_trainjob {VERSION}, and this page shows another version. "
        "Restart the kernel, or reload the page."
    )
