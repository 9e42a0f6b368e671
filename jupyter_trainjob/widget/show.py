"""Show a job: as a live widget in a notebook, as lines in a terminal.

`output` saves the widget in the notebook. The widget stays live after the job is over.
"""

from __future__ import annotations

from typing import Protocol

from jupyter_trainjob.rendering import text
from jupyter_trainjob.rendering.job_source import JobSource
from jupyter_trainjob.widget.display import Display, notebook_display


class JobDisplay(Protocol):
    """A displayed job."""

    def refresh(self) -> None:
        """Show the current state, at the end of a wait. In a notebook the view stays live."""


def show(
    job: JobSource,
    *,
    display: Display | None = None,
    wait: bool = False,
    display_id: str | None = None,
    previous: JobSource | None = None,
) -> JobDisplay:
    """Show `job`, and return at once.

    `display` displays outputs; None means the notebook's, if there is one. With `wait`, the caller waits for the job: a
    terminal then gets lines until `JobDisplay.refresh`, else only the first one. With `display_id`, the job's output
    replaces the output with that display id. `previous` is a running job that the same cell sent before: the view
    offers to stop it.
    """
    display = display or notebook_display()
    if display is None:
        return _Terminal(job, wait=wait)
    from jupyter_trainjob.widget.model import JobView
    from jupyter_trainjob.widget.output import JobOutput

    output = JobOutput(job, JobView(job, previous=previous), display, display_id=display_id)
    output.open()
    return output


class _Terminal:
    def __init__(self, job: JobSource, *, wait: bool) -> None:
        self._ticker: text.Ticker | None = None
        if wait:
            self._ticker = text.Ticker(job)
            self._ticker.__enter__()
        else:
            snapshot = job.snapshot()
            print(f"{text.summary_line(snapshot)} · {text.python_hint(snapshot)}")

    def refresh(self) -> None:
        if self._ticker is not None:
            self._ticker.__exit__(None, None, None)
            self._ticker = None
