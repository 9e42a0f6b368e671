"""Send a front end the rows of a list of jobs: those that changed, at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_trainjob.client.job_list import JobList
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.feed.job_feed import MAX_LOAD, Send
from jupyter_trainjob.feed.rate_limit import RateLimiter
from jupyter_trainjob.feed.view_state import row_json
from jupyter_trainjob.rendering.text import sanitize

MIN_INTERVAL = 1.0
"""Minimum seconds between two reads of the list."""
RUNNING_INTERVAL = 2.0
"""Seconds between two reads while jobs run: their progress raises no event of the cluster."""


class ListErrorFeed:
    """Sends the error that keeps a list of jobs from being up to date. A `channel.Feed`."""

    def __init__(self, jobs: JobList, *, send: Send) -> None:
        self._jobs = jobs
        self._send = send
        self._sent = ""

    def mark_changed(self) -> None:
        """Do nothing: `send_due` always compares."""

    def resend_all(self) -> None:
        """Make the next `send_due` send the error, if there is one."""
        self._sent = ""

    def send_due(self) -> None:
        """Send the error, or the empty string, if it has changed."""
        message = sanitize(self._jobs.sync_error)
        if message != self._sent:
            self._sent = message
            self._send({"kind": "trouble", "why": message}, [])


class JobListFeed:
    """Sends the rows of a list of jobs. A `channel.Feed`."""

    def __init__(
        self, jobs: JobList, *, send: Send, rate_limiter: RateLimiter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._jobs = jobs
        self._send = send
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._rows: dict[str, _Row] | None = None
        """Rows that the front end has, by uid; None before the first message."""
        self._errors = ListErrorFeed(jobs, send=send)
        self._changed = True
        self._interval = MIN_INTERVAL
        self._read_at = -MIN_INTERVAL
        self._read_again = False

    def mark_changed(self) -> None:
        """Make the next `send_due` read the list."""
        self._changed = True

    def resend_all(self) -> None:
        """Make the next `send_due` send all rows."""
        self._changed, self._rows, self._read_at = True, None, -self._interval
        self._errors.resend_all()

    def send_due(self) -> float | None:
        """Send what is due; return the seconds until the next call, None to wait for a change."""
        now = self._clock()
        self._errors.send_due()
        if not self._jobs.synced or (not self._changed and not self._read_again):
            return None  # The list calls its subscribers when it is synced.
        due = self._read_at + (self._interval if self._changed else max(RUNNING_INTERVAL, self._interval))
        if (delay := max(due - now, self._rate_limiter.delay())) > 0:
            return delay
        changed, self._changed = self._changed, False
        snapshots = self._jobs.snapshots()
        # A job's follower may receive a change a moment after the list does.
        self._read_again = changed or any(snapshot.state is State.RUNNING for snapshot in snapshots)
        self._send_rows(snapshots)
        self._read_at = self._clock()
        self._interval = max(MIN_INTERVAL, (self._read_at - now) / MAX_LOAD)
        return max(RUNNING_INTERVAL, self._interval) if self._read_again else None

    def _send_rows(self, snapshots: Sequence[Snapshot]) -> None:
        sent = self._rows or {}
        rows = {snapshot.uid: self._row(snapshot, sent.get(snapshot.uid)) for snapshot in snapshots}
        changed = [row for uid, (_, row) in rows.items() if uid not in sent or sent[uid][1] != row]
        removed = [uid for uid in sent if uid not in rows]
        if changed or removed or self._rows is None:
            self._send({"kind": "jobs", "reset": self._rows is None, "jobs": changed, "gone": removed}, [])
            self._rate_limiter.record(len(str(changed)))
        self._rows = rows

    def _row(self, snapshot: Snapshot, sent: _Row | None) -> _Row:
        if sent is not None and sent[0] is snapshot:
            return sent
        return snapshot, row_json(snapshot, followed=self._jobs.follows(snapshot.uid))


_Row = tuple[Snapshot, dict[str, Any]]
"""A row after the snapshot that it was made of: a `Board` returns the same snapshot object until the job changes."""
