"""Chooses how a job is shown: the live widget in a notebook, lines in a terminal.

In a notebook the output is replaced by a picture when the job comes to rest, so that a saved notebook shows state,
curves and the log's tail with no kernel, no widget manager and no internet; a stopped job that goes on is live again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Protocol

from jupyter_trainjob.widget import text
from jupyter_trainjob.widget.source import Source

Display = Callable[..., Any]
"""``IPython.display.display``, or what takes its arguments."""


class Shown(Protocol):
    """A job on display."""

    def settle(self) -> None:
        """Show what is known now; call it when nobody waits any more. A job that goes on stays live in a notebook."""


def show(job: Source, *, display: Display | None = None, wait: bool = False) -> Shown:
    """Show `job`, and return at once.

    `display` is where a notebook's output goes; None finds out whether there is one. `wait` says that the caller
    waits for the job: then a terminal gets lines until `Shown.settle`, else only the first one.
    """
    display = display or _notebook_display()
    if display is not None:
        return _Notebook(job, display)
    return _Terminal(job, wait=wait)


def _notebook_display() -> Display | None:
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


class _Notebook:
    def __init__(self, job: Source, display: Display) -> None:
        from jupyter_trainjob.widget import view

        self._job = job
        self._display = display
        self._display_id = uuid.uuid4().hex
        self._still = view.still
        self._resting = view.RESTING
        self._view = view.JobView(job, on_rest=self._on_rest)
        self._put(*self._view._repr_mimebundle_(), update=False)

    def settle(self) -> None:
        if self._job.snapshot().state in self._resting:
            self._on_rest(resting=True)

    def _on_rest(self, resting: bool) -> None:
        if not resting:
            self._put(*self._view._repr_mimebundle_(), update=True)
            return
        self._put(self._still(self._job), {}, update=True)
        if self._job.snapshot().state.finished:
            self._view.close()

    def _put(self, data: dict[str, Any], metadata: dict[str, Any], *, update: bool) -> None:
        self._display(data, metadata=metadata, raw=True, display_id=self._display_id, update=update)
