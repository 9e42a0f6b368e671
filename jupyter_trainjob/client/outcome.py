"""How a job came out: the values that its ranks sent back, or the error that says why there are none.

What rank 0 sent is what the job was for. That another rank has nothing to give fails nobody: whoever reads its value
hears why.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, SupportsIndex, overload

from jupyter_trainjob import errors
from jupyter_trainjob.client import cells, raising, returned
from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker import results
from jupyter_trainjob.worker.manifest import Manifest


@dataclass(frozen=True)
class Bundle:
    """What a job was sent with, as far as its outcome needs it."""

    key: bytes
    manifest: Manifest | None = None

    def texts(self) -> dict[str, tuple[str, str]]:
        """Return label and text of the notebook's cells, by the file names that their code carries."""
        if self.manifest is None:
            return {}
        texts = {name: (source.label, source.text) for name, source in self.manifest.sources.items()}
        texts[self.manifest.filename] = (self.manifest.filename, self.manifest.source)
        return texts


@dataclass(frozen=True)
class Outcome:
    """The value of the cell's last expression on one rank, and on rank 0 the names of ``--out``."""

    value: Any = None
    out: Mapping[str, Any] = field(default_factory=dict)


def of(
    snapshot: Snapshot, record: Record, *, key: Callable[[], bytes], opener: returned.Opener, rank: int = 0
) -> Outcome:
    """Return the outcome of a finished job on one rank.

    Raises `errors.JobFailed` or `errors.JobStopped` where the job has none, `errors.NoResult` where only this rank has
    none. `opener` opens files with results. Nothing is unpickled before its signature was checked with the job's key.
    """
    if snapshot.state is State.FAILED:
        raise failed(snapshot)
    if snapshot.state is State.DELETED:
        raise errors.JobStopped(f"{snapshot.name} was deleted before it had a result.")
    message = record.result(rank)
    if message is None and rank:
        raise errors.NoResult(f"Rank {rank} of {snapshot.name} sent no result: its log is gone, or it left early.")
    if message is None:
        raise errors.JobFailed(
            f"{snapshot.name} is complete, but sent no result: its program was not a cell of ours, or its log is gone."
        )
    try:
        value, out = returned.load(message.body, key=key(), rank=rank, opener=opener)
    except results.ForgedResult as error:
        raise errors.JobFailed(f"{snapshot.name}: {error}") from error
    except returned.Unreadable as error:
        raise errors.NoResult(
            f"{snapshot.name} ended well, but the result of rank {rank} cannot be read here: {error} It is kept with "
            "the job: ask for it again afterwards."
        ) from error
    except returned.NoResult as error:
        raise errors.NoResult(f"Rank {rank} of {snapshot.name}: {error}") from error
    except OSError as error:
        raise errors.NoResult(
            f"The result of rank {rank} of {snapshot.name} lies in a file of the job's folder that cannot be read: "
            f"{error.strerror or error}. Was the job deleted, or its folder emptied? Run its cell again."
        ) from error
    return Outcome(value, out)


class Results(Sequence[Any]):
    """The values of all ranks, by rank, where one cannot be read: that raises `errors.NoResult` when it is asked for.

    No list: what reads lists without asking them, as NumPy does, would get something for the value that is not there.
    """

    def __init__(self, values: list[Any], missing: Mapping[int, errors.NoResult]) -> None:
        self._values = values
        self._missing = dict(missing)

    def __len__(self) -> int:
        """Return the number of ranks."""
        return len(self._values)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        """Return the value of a rank, or those of several. Raises `errors.NoResult` for one that has none."""
        everywhere = range(len(self._values))
        for rank in everywhere[place] if isinstance(place, slice) else (everywhere[place],):
            if rank in self._missing:
                raise self._missing[rank]
        return self._values[place]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as an ordinary list: where it arrives there may be no package of ours."""
        return list, (list(self),)

    def __repr__(self) -> str:
        """Return the values as a list shows them, and words for those that are missing."""
        shown = (
            f"<no result of rank {rank}>" if rank in self._missing else repr(value)
            for rank, value in enumerate(self._values)
        )
        return f"[{', '.join(shown)}]"


def of_all(
    snapshot: Snapshot, record: Record, *, key: Callable[[], bytes], opener: returned.Opener, first: Outcome
) -> Sequence[Any]:
    """Return the values of all ranks of a job that has an outcome, a list if all are there; `first` is of rank 0."""
    values: list[Any] = [first.value]
    missing = {}
    for rank in range(1, snapshot.ranks):
        try:
            values.append(of(snapshot, record, key=key, opener=opener, rank=rank).value)
        except errors.NoResult as error:  # noqa: PERF203 - a rank each
            values.append(None)
            missing[rank] = error
    return Results(values, missing) if missing else values


def exception(snapshot: Snapshot, record: Record, bundle: Callable[[], Bundle]) -> Exception:
    """Return why a failed job failed: what its cell raised where that can be told, else `errors.JobFailed`.

    `bundle` gets what the job was sent with; where that is gone, nothing that came back can be trusted.
    """
    rank = snapshot.failure.rank if snapshot.failure is not None and snapshot.failure.traceback else None
    message = record.raised(rank) if rank is not None else None
    if rank is None or message is None:
        return failed(snapshot)
    try:
        came_with = bundle()
        texts = came_with.texts()
        error = raising.rebuilt(
            message.body, key=came_with.key, rank=rank, file_of=lambda file: cells.file_of(file, texts)
        )
    except (errors.ApiError, results.ForgedResult, ValueError, KeyError, pickle.UnpicklingError):
        error = None
    if error is None:
        return failed(snapshot)
    for line in [
        f"In {snapshot.name}. {_course(snapshot)}".rstrip(),
        snapshot.failure.remedy if snapshot.failure else "",
    ]:
        if line:
            raising.with_note(error, line)
    return error


def _course(snapshot: Snapshot) -> str:
    """Return which rank failed first, how the others ended, and after how many restarts, as sentences."""
    told = [snapshot.failure.first] if snapshot.failure is not None and snapshot.failure.first else []
    if snapshot.restarts:
        told.append(f"That was after {snapshot.restarts} restart{'s' if snapshot.restarts > 1 else ''}.")
    return " ".join(told)


def failed(snapshot: Snapshot) -> errors.JobFailed:
    """Return the error for a failed job: the headline, where, what to do, and the rank's own traceback."""
    failure = snapshot.failure or Failure(snapshot.reason or "the job failed")
    lines = [f"{snapshot.name} failed: {failure.headline}", *filter(None, [_course(snapshot)])]
    if failure.where:
        lines.append(f"{failure.where}: {failure.source}".rstrip(": "))
    if failure.remedy:
        lines.append(failure.remedy)
    if failure.traceback:
        lines += ["", failure.traceback.rstrip()]
    return errors.JobFailed("\n".join(lines), rank=failure.rank, traceback=failure.traceback)
