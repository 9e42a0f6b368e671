"""Chooses how a job is shown: the live widget in a notebook, lines in a terminal.

What the notebook keeps of the widget is `output`'s to put out; the widget stays live after the job is over.
"""

from __future__ import annotations

from typing import Protocol

from jupyter_trainjob.widget import text
from jupyter_trainjob.widget.output import Display, Output
from jupyter_trainjob.widget.source import Source


class Shown(Protocol):
    """A job on display."""

    def settle(self) -> None:
        """Show what is known now; call it when nobody waits any more. It stays live in a notebook."""


def show(job: Source, *, display: Display | None = None, wait: bool = False) -> Shown:
    """Show `job`, and return at once.

    `display` is where a notebook's output goes; None finds out whether there is one. `wait` says that the caller
    waits for the job: then a terminal gets lines until `Shown.settle`, else only the first one.
    """
    display = display or notebook_display()
    if display is None:
        return _Terminal(job, wait=wait)
    from jupyter_trainjob.widget.view import JobView

    output = Output(job, JobView(job), display)
    output.open()
    return output


def notebook_display() -> Display | None:
    """Return what puts out outputs, where there is a front end that shows them."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    shell = get_ipython()
    return display if getattr(shell, "kernel", None) is not None else None


class _Terminal:
    def __init__(self, job: Source, *, wait: bool) -> None:
        self._ticker: text.Ticker | None = None
        if wait:
            self._ticker = text.Ticker(job)
            self._ticker.__enter__()
        else:
            print(text.line(job.snapshot()))

    def settle(self) -> None:
        if self._ticker is not None:
            self._ticker.__exit__(None, None, None)
            self._ticker = None
