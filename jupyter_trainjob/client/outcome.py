"""How a job came out: the values that rank 0 sent back, or the error that says why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker import results


@dataclass(frozen=True)
class Outcome:
    """The value of the cell's last expression on rank 0, and the names of ``--out``."""

    value: Any = None
    out: Mapping[str, Any] = field(default_factory=dict)


def of(snapshot: Snapshot, record: Record, *, key: Callable[[], bytes]) -> Outcome:
    """Return the outcome of a finished job; raise `errors.JobFailed` or `errors.JobStopped` where there is none.

    Nothing is unpickled before its signature was checked with the job's own key.
    """
    if snapshot.state is State.FAILED:
        raise failed(snapshot)
    if snapshot.state is State.DELETED:
        raise errors.JobStopped(f"{snapshot.name} was deleted before it had a result.")
    message = record.result()
    if message is None:
        raise errors.JobFailed(
            f"{snapshot.name} is complete, but sent no result: its program was not a cell of ours, or its log is gone."
        )
    try:
        value, out = results.load(message.body, key=key())
    except results.ForgedResult as error:
        raise errors.JobFailed(f"{snapshot.name}: {error}") from error
    return Outcome(value, out)


def failed(snapshot: Snapshot) -> errors.JobFailed:
    """Return the error for a failed job: the headline, where, what to do, and the rank's own traceback."""
    failure = snapshot.failure or Failure(snapshot.reason or "the job failed")
    lines = [f"{snapshot.name} failed: {failure.headline}"]
    if failure.rank is not None:
        count = snapshot.ranks - 1
        others = f"; the other {count} were stopped" if count > 1 else "; the other was stopped" if count else ""
        lines.append(f"Rank {failure.rank} of {snapshot.ranks} failed first{others}.")
    if snapshot.restarts:
        lines.append(f"That was after {snapshot.restarts} restart{'s' if snapshot.restarts > 1 else ''}.")
    if failure.where:
        lines.append(f"{failure.where}: {failure.source}".rstrip(": "))
    if failure.remedy:
        lines.append(failure.remedy)
    if failure.traceback:
        lines += ["", failure.traceback.rstrip()]
    return errors.JobFailed("\n".join(lines), rank=failure.rank, traceback=failure.traceback)
