"""Ctrl-C during a wait: the first one ends the wait, a second one soon after stops the job.

Used by `TrainJob.wait` and by ``%%trainjob``, which can be interrupted while it opens its view.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import Status

SECOND_CHANCE: Final = 2.0
"""Seconds after a first interrupt in which a second one stops the job."""


class RunningJob(Protocol):
    """A job that a second interrupt stops; implemented by `live_job.LiveJob`."""

    @property
    def name(self) -> str:
        """Return the name of the TrainJob object."""

    def status(self) -> Status:
        """Return the state now."""

    def stop(self) -> errors.NoCheckpoint | None:
        """Stop the job; return a warning if it has written no checkpoint."""


class Detached(KeyboardInterrupt):
    """Ctrl-C ended the wait for a job, and the job continues, or a second Ctrl-C stopped it."""

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the message alone, as it does for `errors.TrainJobError`."""
        return [f"{type(self).__name__}: {self}"]


def detach(job: RunningJob) -> Detached:
    """Print how to stop the job; stop it if a second interrupt follows soon. Return the exception to raise."""
    print(f"Interrupt again within {SECOND_CHANCE:.0f} seconds to stop {job.name}.", flush=True)
    try:
        time.sleep(SECOND_CHANCE)
    except KeyboardInterrupt:
        lost = job.stop()
        print(f"{job.name}: {job.status().value}. {lost or ''} `%trainjob resume {job.name}` starts it again.")
        return Detached(f"{job.name} was stopped")
    return Detached(
        f"{job.name} keeps running. `%trainjob stop {job.name}` stops it, `%trainjob show {job.name}` shows it."
    )
