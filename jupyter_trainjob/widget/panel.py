"""``panel()``: a live list of the jobs of a namespace, in the output of a cell.

The widget of kind ``panel`` gets its rows from `list_feed`; jobs opened in it are sent like any other (see
`feed.channel`). The notebook saves the list as a table.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from jupyter_trainjob.client import namespaces
from jupyter_trainjob.client.context import connect
from jupyter_trainjob.client.job_list import JobList, job_list
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.feed.background import TriggeredTask
from jupyter_trainjob.rendering import tables
from jupyter_trainjob.widget.display import Display, notebook_display
from jupyter_trainjob.widget.output import JOB_MIME, LiveView

OUTPUT_PACE = 10.0
"""Minimum seconds between two updates of the saved table."""
MAX_SAVED = 100
"""Maximum rows of the saved table."""


def panel(*, context: str | None = None, namespace: str | None = None) -> None:
    """Show the jobs of a namespace: a live list in a notebook, a table in a terminal.

    `context` and `namespace` default to those chosen with `use`. Raises `errors.UsageError` if the namespace does not
    exist, and `errors.ClusterError` if the cluster cannot be reached.
    """
    jobs = job_list(context=context, namespace=namespace)
    snapshots = jobs.snapshots()
    if not snapshots:
        namespaces.check_namespace_exists(connect(context), jobs.namespace)
    display = notebook_display()
    if display is None:
        print(tables.jobs(snapshots))
    else:
        show_in_notebook(jobs, display)


def show_in_notebook(jobs: JobList, display: Display) -> None:
    """Show a list of jobs as a widget."""
    from jupyter_trainjob.widget.model import PanelView

    PanelOutput(jobs, PanelView(jobs), display).open()


class PanelOutput:
    """The saved output of a panel, updated at most every `OUTPUT_PACE` seconds when states of jobs have changed."""

    def __init__(
        self, jobs: JobList, view: LiveView, display: Display, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._jobs = jobs
        self._view = view
        self._display = display
        self._clock = clock
        self._id = uuid.uuid4().hex
        self._states: list[tuple[str, State]] = []
        self._updated_at = clock()
        self._has_changed = False
        self._updates = TriggeredTask(self._update_if_due, name="trainjob-output-panel")

    def open(self) -> None:
        """Display the output, and keep it up to date from now on."""
        self._update(self._jobs.snapshots(), update=False)
        self._view.on_close(self._jobs.subscribe(self._changed))
        self._view.on_close(self._updates.close)

    def _changed(self) -> None:
        self._has_changed = True
        self._updates.trigger()

    def _update_if_due(self) -> float | None:
        due = self._updated_at + OUTPUT_PACE - self._clock()
        if due > 0:
            return due
        has_changed, self._has_changed = self._has_changed, False
        snapshots = self._jobs.snapshots()
        if _states(snapshots) != self._states:
            self._update(snapshots, update=True)
        # A job's follower may receive a change a moment after the list does.
        return OUTPUT_PACE if has_changed else None

    def _update(self, snapshots: Sequence[Snapshot], *, update: bool) -> None:
        self._states, self._updated_at = _states(snapshots), self._clock()
        data = {**self._view.live_mime(), **static_mime(self._jobs, snapshots)}
        self._display(data, metadata={}, raw=True, display_id=self._id, update=update)


def static_mime(jobs: JobList, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Return the output of a list by MIME type, for viewers without a kernel."""
    table = tables.jobs(snapshots[:MAX_SAVED])
    return {
        JOB_MIME: {"context": jobs.context, "namespace": jobs.namespace, "name": "", "uid": "", "state": ""},
        "text/html": f"<pre>{escape(table)}</pre>",
        "text/plain": table,
    }


def _states(snapshots: Sequence[Snapshot]) -> list[tuple[str, State]]:
    return [(snapshot.uid, snapshot.state) for snapshot in snapshots]
