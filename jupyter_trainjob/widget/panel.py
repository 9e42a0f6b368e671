"""``panel()``: the jobs of a namespace in a cell, live, each to be opened.

Between a `client.board.Board` and the widget of kind ``panel``: its rows go as one message, those that changed, at
most once a second, and what the page opens is fed like any other job (see `channel`). A notebook
keeps the list as a table.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from jupyter_trainjob.client.board import Board, board
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.widget import tables
from jupyter_trainjob.widget.beat import Beat
from jupyter_trainjob.widget.budget import Budget
from jupyter_trainjob.widget.feed import SHARE, Send
from jupyter_trainjob.widget.output import JOB_MIME, Display, Live
from jupyter_trainjob.widget.show import notebook_display
from jupyter_trainjob.widget.state import row_of
from jupyter_trainjob.widget.text import clean

PACE = 1.0
RUNNING_PACE = 2.0
"""Seconds between two looks at jobs that run: their progress is no event of the cluster."""
OUTPUT_PACE = 10.0
"""Seconds between two updates of what the notebook keeps."""
SAVED = 100
"""Rows of the table that a notebook keeps."""


def panel(*, context: str | None = None, namespace: str | None = None) -> None:
    """Show the jobs of a namespace: a live list in a notebook, a table in a terminal."""
    jobs = board(context=context, namespace=namespace)
    found = jobs.snapshots()  # Says in words if the cluster cannot be asked.
    display = notebook_display()
    if display is None:
        print(tables.jobs(found))
    else:
        show(jobs, display)


def show(jobs: Board, display: Display) -> None:
    """Show a board in a notebook."""
    from jupyter_trainjob.widget.view import PanelView

    PanelOutput(jobs, PanelView(jobs), display).open()


class TroubleFeed:
    """Tells a front end why the jobs are not known as they are now. Has no thread, like `JobsFeed`."""

    def __init__(self, jobs: Board, *, send: Send) -> None:
        self._jobs = jobs
        self._send = send
        self._trouble = ""

    def changed(self) -> None:
        """Take note that there may be news: they are looked for in any case."""

    def ready(self) -> None:
        """Make the next `tell` send what there is to say."""
        self._trouble = ""

    def tell(self) -> None:
        """Send what has become another."""
        trouble = clean(self._jobs.trouble)
        if trouble != self._trouble:
            self._trouble = trouble
            self._send({"kind": "trouble", "why": trouble}, [])


class JobsFeed:
    """Tells a front end the rows. Has no thread; see `feed.Feed`, whose manners it has."""

    def __init__(self, jobs: Board, *, send: Send, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._send = send
        self._budget = budget
        self._clock = clock
        self._told: dict[str, _Row] | None = None
        """Rows by uid, as the front end has them; None: it has nothing."""
        self._trouble = TroubleFeed(jobs, send=send)
        self._changed = True
        self._pace = PACE
        self._looked = -PACE
        self._again = False

    def changed(self) -> None:
        """Take note that a job is not what it was."""
        self._changed = True

    def ready(self) -> None:
        """Make the next `tell` send everything."""
        self._changed, self._told, self._looked = True, None, -self._pace
        self._trouble.ready()

    def tell(self) -> float | None:
        """Send what is due. Returns in how many seconds to come again; None: when something changes."""
        now = self._clock()
        self._trouble.tell()
        if not self._jobs.synced or (not self._changed and not self._again):
            return None  # It calls back when it has become so.
        due = self._looked + (self._pace if self._changed else max(RUNNING_PACE, self._pace))
        if (wait := max(due - now, self._budget.wait())) > 0:
            return wait
        changed, self._changed = self._changed, False
        found = self._jobs.snapshots()
        # What follows a job may hear of a change a moment after the list does.
        self._again = changed or any(each.state is State.RUNNING for each in found)
        self._tell_rows(found)
        self._looked = self._clock()
        self._pace = max(PACE, (self._looked - now) / SHARE)
        return max(RUNNING_PACE, self._pace) if self._again else None

    def _tell_rows(self, found: Sequence[Snapshot]) -> None:
        known = self._told or {}
        rows = {each.uid: _made(each, known.get(each.uid)) for each in found}
        fresh = [row for uid, (_, row) in rows.items() if uid not in known or known[uid][1] != row]
        gone = [uid for uid in known if uid not in rows]
        if fresh or gone or self._told is None:
            self._send({"kind": "jobs", "reset": self._told is None, "jobs": fresh, "gone": gone}, [])
            self._budget.spend(len(str(fresh)))
        self._told = rows


_Row = tuple[Snapshot, dict[str, Any]]
"""A row, with what it was made of: a board returns the same snapshot until the job is another."""


def _made(snapshot: Snapshot, known: _Row | None) -> _Row:
    return known if known is not None and known[0] is snapshot else (snapshot, row_of(snapshot))


class PanelOutput:
    """What a notebook keeps of a panel: put out once, and again, now and then, when jobs have changed their states."""

    def __init__(
        self, jobs: Board, view: Live, display: Display, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._jobs = jobs
        self._view = view
        self._display = display
        self._clock = clock
        self._id = uuid.uuid4().hex
        self._states: list[tuple[str, State]] = []
        self._put_at = clock()
        self._again = False
        self._beat = Beat(self._look, name="trainjob-output-panel")

    def open(self) -> None:
        """Put it out for the first time, and keep it up to date from now on."""
        self._put(self._jobs.snapshots(), update=False)
        self._view.on_close(self._jobs.subscribe(self._changed))
        self._view.on_close(self._beat.close)

    def _changed(self) -> None:
        self._again = True
        self._beat.ring()

    def _look(self) -> float | None:
        due = self._put_at + OUTPUT_PACE - self._clock()
        if due > 0:
            return due
        again, self._again = self._again, False
        found = self._jobs.snapshots()
        if _states(found) != self._states:
            self._put(found, update=True)
        return OUTPUT_PACE if again else None  # What follows a job may hear of a change a moment after the list does.

    def _put(self, found: Sequence[Snapshot], *, update: bool) -> None:
        self._states, self._put_at = _states(found), self._clock()
        data = {**self._view.live(), **still(self._jobs, found)}
        self._display(data, metadata={}, raw=True, display_id=self._id, update=update)


def still(jobs: Board, found: Sequence[Snapshot]) -> dict[str, Any]:
    """Return what shows the list without a kernel, by MIME type."""
    table = tables.jobs(found[:SAVED])
    return {
        JOB_MIME: {"context": jobs.context, "namespace": jobs.namespace, "name": "", "uid": "", "state": ""},
        "text/html": f"<pre>{escape(table)}</pre>",
        "text/plain": table,
    }


def _states(found: Sequence[Snapshot]) -> list[tuple[str, State]]:
    return [(each.uid, each.state) for each in found]
