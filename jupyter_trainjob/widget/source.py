"""What views need of a job, and nothing more: the handle satisfies it, and so does a recording in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from jupyter_trainjob.client.details import Section
from jupyter_trainjob.client.earlier import Earlier
from jupyter_trainjob.client.logbook import LogBook
from jupyter_trainjob.client.snapshot import Snapshot

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.series import Series

Answer = tuple[dict[str, Any], list[bytes]]
"""What a request about a job is answered with: JSON values and binary buffers."""


class Source(Protocol):
    """A job, as views see it. Whatever asks the cluster raises `errors.TrainJobError`, in words for people."""

    @property
    def uid(self) -> str:
        """Return what tells the job from all others, for ever."""

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""

    def snapshot(self) -> Snapshot:
        """Return what is known now."""

    def series(self) -> Series:
        """Return every reported number, ready to be drawn."""

    def logbook(self) -> LogBook:
        """Return what the nodes print, for those who watch and those who look something up."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` from a thread whenever something changed, at most ten times a second.

        Returns what ends that.
        """

    def on_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the thread of whoever waited for the job, before they go on; returns how to end it."""

    def other(self, uid: str) -> Source:
        """Return another job of the same namespace."""

    def earlier(self) -> list[Earlier]:
        """Return the jobs that this one can be compared with, the most alike first."""

    def halt(self) -> object:
        """Stop the job."""

    def resume(self) -> None:
        """Let a stopped job go on."""

    def delete(self) -> None:
        """Delete the job with all that is kept of it."""

    def again(self) -> tuple[Source, list[str]]:
        """Send the very same job again, and return the new one with what is not as it was."""

    def details(self) -> list[Section]:
        """Return what the job is made of."""

    def to_magic(self) -> str:
        """Return the cell that sends the job again."""

    def to_yaml(self) -> str:
        """Return the TrainJob as YAML."""

    def to_sdk(self) -> str:
        """Return code for Kubeflow's SDK that sends the job again."""
