"""The interface through which views read and control a job; `client.live_job.LiveJob` implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jupyter_trainjob.client.reproduce.comparable_jobs import ComparableJob
    from jupyter_trainjob.client.reproduce.details import Section
    from jupyter_trainjob.client.snapshot import Snapshot
    from jupyter_trainjob.client.watching.log_buffer import LogBuffer
    from jupyter_trainjob.metrics.series import Series

Answer = tuple[dict[str, Any], list[bytes]]
"""The answer to a request about a job: JSON values and binary buffers."""


class JobSource(Protocol):
    """A job, as views use it. Methods that access the cluster raise `errors.TrainJobError`."""

    @property
    def uid(self) -> str:
        """Return the UID of the TrainJob object."""

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""

    def snapshot(self) -> Snapshot:
        """Return the current snapshot."""

    def series(self) -> Series:
        """Return the reported metrics as series for charts."""

    def log_buffer(self) -> LogBuffer:
        """Return the log of all nodes."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on a background thread after changes, at most ten times a second.

        Returns the function that ends the subscription.
        """

    def on_wait_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` before a wait for the job returns, on the waiting thread.

        Returns the function that ends the subscription.
        """

    def sibling(self, uid: str) -> JobSource:
        """Return another job of the same namespace by its UID."""

    def comparable_jobs(self) -> list[ComparableJob]:
        """Return the jobs that this one can be compared with, the most similar first."""

    def stop(self) -> object:
        """Stop the job."""

    def resume(self) -> None:
        """Start a stopped job again."""

    def delete(self) -> None:
        """Delete the job with its logs and its history."""

    def rerun(self) -> tuple[JobSource, list[str]]:
        """Send the same job again; return the new job and its differences, a sentence each."""

    def details(self) -> list[Section]:
        """Return the contents of the job's bundle: values, modules, versions."""

    def to_magic(self) -> str:
        """Return the cell that sends the job again."""

    def to_yaml(self) -> str:
        """Return the TrainJob as YAML."""

    def to_sdk(self) -> str:
        """Return code for Kubeflow's SDK that sends the job again."""
