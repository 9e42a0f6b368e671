"""Messages about one job for a front end, without a thread of its own.

The head has a bounded size and is always sent whole: as a synced trait for the first job of a comm, as a message for
others. All that grows goes as custom messages, so that neither traits nor saved notebooks grow with it: log lines one
by one, all nodes, and each changed curve whole, in binary columns. Intervals follow from what a part costs to make and
to send (see `rate_limit`); changes in between are sent with the next one. A front end asks for everything with
``ready`` when it (re)renders. Before the first ``ready`` every part is sent whole, since a kernel that is busy with a
cell cannot receive it.

``labextension/src/core/protocol/messages.ts`` declares the shapes of the messages.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from jupyter_trainjob.client.snapshot import Snapshot
from jupyter_trainjob.feed.curve_requests import MAX_METRICS, MAX_POINTS, band_columns, pack_columns
from jupyter_trainjob.feed.log_pages import LogFeed
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.feed.view_state import head_json, nodes_json
from jupyter_trainjob.rendering.job_source import JobSource
from jupyter_trainjob.rendering.text import sanitize

Send = Callable[[dict[str, Any], list[bytes]], None]
"""Sends a JSON message with its binary buffers."""

MIN_INTERVAL = 0.25
"""Minimum seconds between two snapshots of the job, and between two log messages."""
NODES_INTERVAL = 1.0
CURVES_INTERVAL = 0.5
MAX_LOAD = 0.05
"""Maximum share of a thread's time spent on snapshots, and as much again on curves."""
WHOLE_INTERVAL = 2.0
"""Minimum seconds between two messages of one kind before the first ``ready``."""
CHUNK_BYTES = 100_000
"""Bytes of curves after which a further message begins."""
_PARTS = frozenset({"log", "nodes", "curves"})


class JobFeed:
    """Sends the changes of one job. The caller owns the thread, and calls `mark_changed` after each change."""

    def __init__(
        self,
        job: JobSource,
        *,
        send: Send,
        rate_limiter: RateLimiter | None = None,
        set_state: Callable[[dict[str, Any]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._send = send
        self._rate_limiter = rate_limiter or RateLimiter(clock=clock)
        self._set_state = set_state or self._send_head
        self._clock = clock
        self._changed = True
        self._front_end_ready = False
        self._whole = set(_PARTS)
        """Parts whose next message replaces what the front end has."""
        self._due: dict[str, float] = {}
        self._state: dict[str, Any] = {}
        self._nodes: tuple[Any, ...] = ()
        self._log = LogFeed(job, clock=clock)
        self._version = -1
        self._stale: dict[str, None] = {}
        """Names of the curves that have to be sent, in order of their change."""
        self._seq = 0

    def mark_changed(self) -> None:
        """Make the next `send_due` check for changes."""
        self._changed = True

    def resend_all(self) -> None:
        """Make the next `send_due` send everything: a front end was reloaded."""
        self._front_end_ready = self._changed = True
        self._whole = set(_PARTS)
        self._state, self._due = {}, {}

    def send_due(self) -> float | None:
        """Send what is due; return the seconds until the next call, None to wait for a change."""
        if not self._changed:
            return None
        delay = self._delay("snapshot")
        if delay:
            return delay
        self._changed = False
        started = self._clock()
        snapshot = self._job.snapshot()
        self._send_state(snapshot)
        delays = [self._send_log(), self._send_nodes(snapshot), self._send_curves()]
        self._due["snapshot"] = started + max(MIN_INTERVAL, (self._clock() - started) / MAX_LOAD)
        next_delay = min((delay for delay in delays if delay), default=None)
        if next_delay is None:
            return None
        self._changed = True
        return max(next_delay, self._delay("snapshot"))

    def _send_state(self, snapshot: Snapshot) -> None:
        state = head_json(snapshot)
        if state != self._state:
            self._state = state
            self._set_state({**state, "now": time.time()})
            self._rate_limiter.record(len(str(state)))

    def _send_log(self) -> float:
        if not self._log.has_new_lines() and not ("log" in self._whole and self._front_end_ready):
            return 0.0
        if delay := self._delay("log"):
            return delay
        content, size = self._log.next_message(whole="log" in self._whole)
        self._send_part("log", content, size=size, interval=MIN_INTERVAL)
        return 0.0

    def _send_nodes(self, snapshot: Snapshot) -> float:
        resend = snapshot.pods and "nodes" in self._whole and self._front_end_ready
        if snapshot.pods == self._nodes and not resend:
            return 0.0
        if delay := self._delay("nodes"):
            return delay
        self._nodes = snapshot.pods
        nodes = nodes_json(snapshot)
        self._send_part("nodes", {"nodes": nodes}, size=len(str(nodes)), interval=NODES_INTERVAL)
        return 0.0

    def _send_curves(self) -> float:
        series = self._job.series()
        version = series.version
        resend = "curves" in self._whole and self._front_end_ready
        if version == self._version and not self._stale and not resend:
            return 0.0
        if delay := self._delay("curves"):
            return delay
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
            band = series.band(name, points=MAX_POINTS)
            heads.append({"name": sanitize(name), "ranks": band.ranks, "points": len(band.x)})
            buffers.append(pack_columns(*band_columns(band)))
        if heads:
            interval = max(CURVES_INTERVAL, (self._clock() - started) / MAX_LOAD)
            self._send_part("curves", {"curves": heads}, buffers, size=sum(map(len, buffers)), interval=interval)
        return self._delay("curves") if self._stale else 0.0

    def _delay(self, part: str) -> float:
        """Return the seconds until a part may be made and sent."""
        delay = max(0.0, self._due.get(part, -math.inf) - self._clock())
        return delay if part == "snapshot" else max(delay, self._rate_limiter.delay())

    def _send_part(
        self, part: str, content: dict[str, Any], buffers: list[bytes] | None = None, *, size: int, interval: float
    ) -> None:
        self._seq += 1
        header = {"kind": part, "job": self._job.uid, "seq": self._seq, "reset": part in self._whole}
        self._send({**header, **content}, buffers or [])
        self._rate_limiter.record(size)
        self._due[part] = self._clock() + (interval if self._front_end_ready else max(interval, WHOLE_INTERVAL))
        if self._front_end_ready or self._stale:
            self._whole.discard(part)
        else:
            self._whole.add(part)

    def _send_head(self, head: dict[str, Any]) -> None:
        self._send({"kind": "head", "job": self._job.uid, "head": head}, [])
