"""What the kernel tells the widget of one job, message by message: between a `Source` and the comm, with no thread.

Small and always whole: the head, a synced trait for the first job of a comm and a message for others. Everything that
grows goes by custom messages, so that no trait and no saved notebook grows with it: curves as binary columns, whole but
only those that changed; log lines one by one. A front end that (re)renders asks with ``ready`` and gets everything;
until the first one asked, everything is sent whole, because a kernel that is busy with a cell cannot hear it.

The shapes of the messages are the types in ``labextension/src/core/protocol.ts``.
"""

from __future__ import annotations

import math
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

from jupyter_trainjob.client.snapshot import Failure, LogLine, Snapshot
from jupyter_trainjob.widget.curves import Curve, Curves
from jupyter_trainjob.widget.source import Source
from jupyter_trainjob.widget.text import clean, place

Send = Callable[[dict[str, Any], list[bytes]], None]

PACE = 0.25
"""Seconds between two snapshots and their log lines."""
CURVE_PACE = 0.5
"""Seconds between two messages with curves, at least; more where they are costly or large."""
CURVE_SHARE = 0.05
"""The most of a thread's time that reducing curves may take."""
CURVE_BYTES_PER_SECOND = 200_000
WHOLE_PACE = 2.0
"""Seconds between two messages while everything is sent whole."""
MAX_METRICS = 64
MAX_LINE = 2_000
MAX_TRACEBACK = 20_000


class Feed:
    """Sends what changed. `tell` does the work; the caller owns the thread, and says `changed` when something did."""

    def __init__(
        self,
        job: Source,
        *,
        send: Send,
        set_state: Callable[[dict[str, Any]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._send = send
        self._set_state = set_state or self._send_head
        self._clock = clock
        self._curves = Curves()
        self._curves_stale = True
        self._changed: set[str] = set()
        self._state: dict[str, Any] = {}
        self._log: tuple[LogLine, ...] = ()
        self._seq = self._lines = 0
        self._heard = False
        self._whole = True
        self._state_due = self._curves_due = self._log_due = -math.inf

    def changed(self) -> None:
        """Take note that the job is not what it was."""
        self._curves_stale = True

    def ready(self) -> None:
        """Make the next `tell` send everything: a front end has nothing yet."""
        self._heard = self._whole = self._curves_stale = True
        self._state_due = self._curves_due = self._log_due = -math.inf

    def tell(self) -> float | None:
        """Send what is due. Returns in how many seconds to come again; None: when something changes."""
        now = self._clock()
        if now < self._state_due:
            return self._state_due - now
        self._state_due = now + PACE
        snapshot = self._job.snapshot()
        self._tell_state(snapshot)
        waits = [self._tell_log(snapshot, now), self._tell_curves(now)]
        self._whole = not self._heard
        return min((wait for wait in waits if wait is not None), default=None)

    def _tell_state(self, snapshot: Snapshot) -> None:
        state = state_of(snapshot)
        if state != self._state or (self._whole and self._heard):
            self._state = state
            self._set_state({**state, "now": time.time()})

    def _tell_log(self, snapshot: Snapshot, now: float) -> float | None:
        if snapshot.log == self._log and not (self._whole and self._heard):
            return None
        if now < self._log_due:
            return self._log_due - now
        self._log_due = now + (PACE if self._heard else WHOLE_PACE)
        lines = snapshot.log if self._whole else new_lines(self._log, snapshot.log)
        self._log = snapshot.log
        first, self._lines = self._lines, self._lines + len(lines)
        rows = [[first + i, line.time, line.rank, clean(line.text)[:MAX_LINE]] for i, line in enumerate(lines)]
        self._message({"kind": "log", "skipped": 0, "lines": rows}, [])
        return None

    def _tell_curves(self, now: float) -> float | None:
        if not self._curves_stale:
            return None
        if now < self._curves_due:
            return self._curves_due - now
        self._curves_stale = False
        started = time.perf_counter()
        self._changed |= self._curves.feed(self._job.metrics())
        names = self._curves.names[:MAX_METRICS]
        if not self._whole:
            names = [name for name in names if name in self._changed]
        if not names or not (self._changed or (self._whole and self._heard)):
            return None
        self._changed = set()
        curves = [self._curves.curve(name) for name in names]
        buffers = [pack(curve) for curve in curves]
        heads = [
            {"name": clean(name), "ranks": curve.ranks, "points": len(curve.x)}
            for name, curve in zip(names, curves, strict=True)
        ]
        self._message({"kind": "curves", "curves": heads}, buffers)
        cost = (time.perf_counter() - started) / CURVE_SHARE
        size = sum(map(len, buffers)) / CURVE_BYTES_PER_SECOND
        self._curves_due = now + max(CURVE_PACE if self._heard else WHOLE_PACE, cost, size)
        return None

    def _message(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self._seq += 1
        self._send({**content, "job": self._job.uid, "seq": self._seq, "reset": self._whole}, buffers)

    def _send_head(self, head: dict[str, Any]) -> None:
        self._send({"kind": "head", "job": self._job.uid, "head": head}, [])


def state_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the synced trait: the snapshot without what grows, bounded, as JSON values."""
    return {
        "uid": snapshot.uid,
        "name": clean(snapshot.name),
        "namespace": clean(snapshot.namespace),
        "place": place(clean(snapshot.context)),
        "state": snapshot.state.value,
        "runtime": clean(snapshot.runtime),
        "nodes": snapshot.nodes,
        "procs_per_node": snapshot.procs_per_node,
        "reason": clean(snapshot.reason),
        "phases": [
            {"name": clean(phase.name), "started": phase.started, "ended": phase.ended} for phase in snapshot.phases
        ],
        "created": snapshot.created,
        "finished": snapshot.finished,
        "step": snapshot.step,
        "total": snapshot.total,
        "eta": None if snapshot.eta is None else round(snapshot.eta),
        "progress": snapshot.progress,
        "metrics": [[clean(name), _number(last)] for name, last in list(snapshot.metrics.items())[:MAX_METRICS]],
        "ranks_running": snapshot.ranks_running,
        "failure": None if snapshot.failure is None else _failure(snapshot.failure),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "headline": clean(failure.headline)[:MAX_LINE],
        "rank": failure.rank,
        "where": clean(failure.where),
        "source": clean(failure.source)[:MAX_LINE],
        "traceback": clean(failure.traceback)[-MAX_TRACEBACK:],
        "remedy": clean(failure.remedy),
    }


def _number(number: float) -> float | str:
    """JSON has no NaN and no infinities: they travel as their names."""
    return number if math.isfinite(number) else str(number)


def new_lines(old: tuple[LogLine, ...], new: tuple[LogLine, ...]) -> list[LogLine]:
    """Return the lines of the tail `new` that `old` lacks; a slow rank's may lie between known ones."""
    known = Counter(old)
    fresh = []
    for line in new:
        if known[line] > 0:
            known[line] -= 1
        else:
            fresh.append(line)
    return fresh


def pack(curve: Curve) -> bytes:
    """Return the four columns of a curve one after the other, as little-endian doubles."""
    columns = array("d", [*curve.x, *curve.mean, *curve.low, *curve.high])
    if sys.byteorder == "big":
        columns.byteswap()
    return columns.tobytes()
