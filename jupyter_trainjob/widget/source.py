"""What views need of a job, and nothing more: the handle satisfies it, and so does a recording in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jupyter_trainjob.client.snapshot import Snapshot


class Source(Protocol):
    """A job, as views see it."""

    def snapshot(self) -> Snapshot:
        """Return what is known now."""

    def metrics(self) -> dict[str, list[float]]:
        """Return the columns rank, time, step and each metric, equally long, NaN where a row lacks a metric."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` from a thread whenever something changed, at most ten times a second.

        Returns what ends that.
        """

    def stop(self) -> None:
        """Stop the job; raises `errors.TrainJobError` where that is not possible."""
