"""Ctrl-C while somebody waits for a job: the wait ends and the job goes on; a second one soon after stops the job.

Used by `TrainJob.wait`, and so by all that waits, and by the magic, whose view can be interrupted before that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jupyter_trainjob.client.handle import TrainJob

SECOND_CHANCE: Final = 2.0
"""Seconds after a first interrupt in which a second one stops the job."""


class Detached(KeyboardInterrupt):
    """The wait for a job was interrupted, which was said; the job goes on, or was stopped by a second interrupt."""


def detach(job: TrainJob) -> Detached:
    """Let go of a job, unless a second interrupt says soon that it is to end; say both. Returns what to raise."""
    print(f"Detached: {job.name} goes on. Interrupt again within {SECOND_CHANCE:.0f} seconds to stop it.", flush=True)
    try:
        time.sleep(SECOND_CHANCE)
    except KeyboardInterrupt:
        lost = job.halt()
        print(f"{job.name}: {job.status().value}. {lost or ''} `%trainjob resume {job.name}` starts it again.")
        return Detached(f"{job.name} was stopped")
    print(f"`%trainjob stop {job.name}` stops it, `%trainjob show {job.name}` shows it.")
    return Detached(f"{job.name} goes on")
