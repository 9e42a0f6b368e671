"""What the kernel tells the widget of one job, message by message: between a `Source` and the comm, with no thread.

Small and always whole: the head, a synced trait for the first job of a comm and a message for others. Everything that
grows goes by custom messages, so that no trait and no saved notebook grows with it: curves as binary columns, whole but
only those that changed; nodes; log lines one by one. How often follows from what it costs to make and to send (see
`budget`); what changes meanwhile is told at once the next time. A front end that (re)renders asks with ``ready`` and
gets everything; until the first one asked, everything is sent whole, because a kernel that is busy with a cell cannot
hear it.

The shapes of the messages are the types in ``labextension/src/core/protocol.ts``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.curves import MAX_METRICS, POINTS, columns_of, pack
from jupyter_trainjob.widget.logs import LogFeed
from jupyter_trainjob.widget.source import Source
from jupyter_trainjob.widget.state import nodes_of, state_of
from jupyter_trainjob.widget.text import clean

Send = Callable[[dict[str, Any], list[bytes]], None]

PACE = 0.25
"""Seconds between two looks at the job, at least."""
NODES_PACE = 1.0
CURVE_PACE = 0.5
SHARE = 0.05
"""The most of a thread's time that looking at the job, and making its curves, may take each."""
WHOLE_PACE = 2.0
"""Seconds between two messages of one kind while everything is sent whole."""
CHUNK_BYTES = 100_000
"""More curves than that are sent in several messages."""
_PARTS = frozenset({"log", "nodes", "curves"})


class Feed:
    """Sends what changed. `tell` does the work; the caller owns the thread, and says `changed` when something did."""

    def __init__(
        self,
        job: Source,
        *,
        send: Send,
        budget: Budget | None = None,
        set_state: Callable[[dict[str, Any]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._send = send
        self._budget = budget or Budget(clock=clock)
        self._set_state = set_state or self._send_head
        self._clock = clock
        self._changed = True
        self._heard = False
        self._whole = set(_PARTS)
        """What the front end has to get as if it had nothing."""
        self._due: dict[str, float] = {}
        self._state: dict[str, Any] = {}
        self._nodes: tuple[Any, ...] = ()
        self._log = LogFeed(job, clock=clock)
        self._version = -1
        self._stale: dict[str, None] = {}
        """Curves that are not what was sent, the one that waits for longest first."""
        self._seq = 0

    def changed(self) -> None:
        """Take note that the job is not what it was."""
        self._changed = True

    def ready(self) -> None:
        """Make the next `tell` send everything: a front end has nothing yet."""
        self._heard = self._changed = True
        self._whole = set(_PARTS)
        self._state, self._due = {}, {}

    def tell(self) -> float | None:
        """Send what is due. Returns in how many seconds to come again; None: when something changes."""
        if not self._changed:
            return None
        wait = self._wait("look")
        if wait:
            return wait
        self._changed = False
        started = self._clock()
        snapshot = self._job.snapshot()
        self._tell_state(snapshot)
        waits = [self._tell_log(), self._tell_nodes(snapshot), self._tell_curves()]
        self._due["look"] = started + max(PACE, (self._clock() - started) / SHARE)
        again = min((wait for wait in waits if wait), default=None)
        if again is None:
            return None
        self._changed = True
        return max(again, self._wait("look"))

    def _tell_state(self, snapshot: Snapshot) -> None:
        state = state_of(snapshot)
        if state != self._state:
            self._state = state
            self._set_state({**state, "now": time.time()})
            self._budget.spend(len(str(state)))

    def _tell_log(self) -> float:
        if not self._log.news() and not ("log" in self._whole and self._heard):
            return 0.0
        if wait := self._wait("log"):
            return wait
        content, size = self._log.tell(whole="log" in self._whole)
        self._say("log", content, size=size, pace=PACE)
        return 0.0

    def _tell_nodes(self, snapshot: Snapshot) -> float:
        if snapshot.pods == self._nodes and not (snapshot.pods and "nodes" in self._whole and self._heard):
            return 0.0
        if wait := self._wait("nodes"):
            return wait
        self._nodes = snapshot.pods
        nodes = nodes_of(snapshot)
        self._say("nodes", {"nodes": nodes}, size=len(str(nodes)), pace=NODES_PACE)
        return 0.0

    def _tell_curves(self) -> float:
        series = self._job.series()
        version = series.version
        if version == self._version and not self._stale and not ("curves" in self._whole and self._heard):
            return 0.0
        if wait := self._wait("curves"):
            return wait
        started = self._clock()
        names = series.names()[:MAX_METRICS]
        changed = names if "curves" in self._whole else series.changed_since(self._version)
        self._version = version
        self._stale |= dict.fromkeys(name for name in names if name in changed)
        heads: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        while self._stale and sum(map(len, buffers)) < CHUNK_BYTES:
            name = next(iter(self._stale))
            del self._stale[name]
            band = series.band(name, points=POINTS)
            heads.append({"name": clean(name), "ranks": band.ranks, "points": len(band.x)})
            buffers.append(pack(*columns_of(band)))
        if heads:
            cost = (self._clock() - started) / SHARE
            self._say("curves", {"curves": heads}, buffers, size=sum(map(len, buffers)), pace=max(CURVE_PACE, cost))
        return self._wait("curves") if self._stale else 0.0

    def _wait(self, part: str) -> float:
        """Return in how many seconds a part may be told."""
        wait = max(0.0, self._due.get(part, -math.inf) - self._clock())
        return wait if part == "look" else max(wait, self._budget.wait())

    def _say(
        self, part: str, content: dict[str, Any], buffers: list[bytes] | None = None, *, size: int, pace: float
    ) -> None:
        whole = part in self._whole
        self._seq += 1
        numbered = {"kind": part, "job": self._job.uid, "seq": self._seq, "reset": whole}
        self._send({**numbered, **content}, buffers or [])
        self._budget.spend(size)
        self._due[part] = self._clock() + (pace if self._heard else max(pace, WHOLE_PACE))
        if self._heard or self._stale:
            self._whole.discard(part)
        else:
            self._whole.add(part)

    def _send_head(self, head: dict[str, Any]) -> None:
        self._send({"kind": "head", "job": self._job.uid, "head": head}, [])
