"""The outcome of a job: the values that its ranks returned, or the error that explains why there are none.

A missing result of rank 0 is an error of the job. A missing result of another rank raises only when it is read.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NoReturn, SupportsIndex, overload

from jupyter_trainjob import errors
from jupyter_trainjob.client.results import remote_exception, result_reader
from jupyter_trainjob.client.snapshot import Failure, Snapshot, State
from jupyter_trainjob.client.spec import cell_names
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.manifest import FUNCTION, Manifest
from jupyter_trainjob.worker.results import rank_results


@dataclass(frozen=True)
class SentBundle:
    """The parts of a job's bundle that are needed to read its outcome."""

    key: bytes
    """Verifies the signatures of results and exceptions."""
    manifest: Manifest | None = None

    def texts(self) -> dict[str, tuple[str, str]]:
        """Return label and source of the notebook's cells, by the file name in their code objects."""
        if self.manifest is None:
            return {}
        texts = {name: (source.label, source.text) for name, source in self.manifest.sources.items()}
        texts[self.manifest.filename] = (self.manifest.filename, self.manifest.source)
        return texts


class Out(dict[str, Any]):
    """The values of ``--out`` by name; reading a missing name raises `errors.MissingOut` with the reason."""

    def __init__(self, values: Mapping[str, Any] | None = None, missing: Mapping[str, str] | None = None) -> None:
        """Hold `values`; `missing` are the other names of ``--out``, with why they have no value."""
        super().__init__(values or {})
        self._missing = dict(missing or {})

    def __missing__(self, name: object) -> NoReturn:
        if name in self._missing:
            raise errors.MissingOut(f"{name} was not returned: {self._missing[str(name)]}")
        names = ", ".join([*self, *self._missing]) or "no names"
        raise errors.MissingOut(
            f"{name} was not returned: --out of this job had {names}. Add it to --out and run the cell again."
        )

    def __repr__(self) -> str:
        """Return the values as a dict does, with ``<missing>`` for names without a value."""
        shown = [f"{name!r}: {value!r}" for name, value in self.items()]
        return f"{{{', '.join([*shown, *(f'{name!r}: <missing>' for name in self._missing)])}}}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a plain dict, since this package may be missing where it is unpickled."""
        return dict, (dict(self),)


class Outcome:
    """The value of the cell's last expression on one rank, and on rank 0 the names of ``--out``."""

    def __init__(self, value: Any, out: Out, *, error: errors.NoResult | None = None) -> None:
        """Hold the outcome; `error` explains why there is no value."""
        self._value = value
        self._error = error
        self.out = out

    @property
    def value(self) -> Any:
        """Return the value. Raises `errors.NoResult` if it is missing."""
        if self._error is not None:
            raise self._error
        return self._value


def read_outcome(
    snapshot: Snapshot,
    record: Telemetry,
    *,
    bundle: Callable[[], SentBundle],
    opener: result_reader.Opener,
    rank: int = 0,
) -> Outcome:
    """Return the outcome of a finished job on one rank.

    `opener` opens result files by name. Signatures are verified with the key of the job's `bundle` before unpickling.
    Raises `errors.JobFailed` or `errors.JobStopped` if the job has no outcome, `errors.NoResult` if only this rank has
    none. A single value that is missing raises when it is read.
    """
    if snapshot.state is State.FAILED:
        raise failure_error(snapshot)
    if snapshot.state is State.DELETED:
        raise errors.JobStopped(f"{snapshot.name} was deleted before it had a result.")
    message = record.result(rank)
    if message is None and snapshot.reason:
        raise errors.NoResult(
            f"{snapshot.name} is complete, but the result of rank {rank} is missing: {snapshot.reason} Try again "
            "when its log can be read."
        )
    if message is None and rank:
        raise errors.NoResult(
            f"Rank {rank} of {snapshot.name} sent no result: its log was deleted, or it exited early."
        )
    if message is None:
        why = (
            "rank 0 exited before its program had ended, for example with os._exit()"
            if record.world
            else "its program was not sent by this package, or its log is deleted"
        )
        raise errors.JobFailed(f"{snapshot.name} is complete, but sent no result: {why}.")
    sent_bundle = bundle()
    try:
        result = result_reader.load_result(message.body, key=sent_bundle.key, rank=rank, opener=opener)
    except rank_results.ForgedResult as error:
        raise errors.JobFailed(f"{snapshot.name}: {error}") from error
    except OSError as error:
        raise errors.NoResult(
            f"The result of rank {rank} of {snapshot.name} is in a file of the job's folder that cannot be read: "
            f"{error.strerror or error}. Probably the job or the folder's content was deleted. Send it again."
        ) from error
    missing = {name: f"{reason} {_KEPT}" for name, reason in result.unreadable.items()} | result.missing
    no_value = missing.pop(rank_results.VALUE_ITEM, "")
    value_error = None
    if rank_results.VALUE_ITEM in result.missing:
        value_error = errors.NoResult(f"Rank {rank} of {snapshot.name} returned no value: {no_value}")
    elif no_value:
        value_error = errors.NoResult(
            f"{snapshot.name} succeeded, but the result of rank {rank} cannot be read here: {no_value}"
        )
    return Outcome(result.value, Out(result.out, missing), error=value_error)


_KEPT: Final = "It is kept with the job: read it again afterwards."


class Results(Sequence[Any]):
    """The values of all ranks, some of which are missing; reading a missing one raises `errors.NoResult`.

    Not a list, since code that reads lists without their methods, as NumPy does, would get a placeholder value.
    """

    def __init__(self, values: list[Any], missing: Mapping[int, errors.NoResult]) -> None:
        self._values = values
        self._missing = dict(missing)

    def __len__(self) -> int:
        """Return the number of ranks."""
        return len(self._values)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return the value of a rank, or of a slice of ranks. Raises `errors.NoResult` for a missing one."""
        ranks = range(len(self._values))
        for rank in ranks[index] if isinstance(index, slice) else (ranks[index],):
            if rank in self._missing:
                raise self._missing[rank]
        return self._values[index]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a plain list, since this package may be missing where it is unpickled."""
        return list, (list(self),)

    def __repr__(self) -> str:
        """Return the values as a list does, with ``<no result of rank N>`` for missing ones."""
        shown = (
            f"<no result of rank {rank}>" if rank in self._missing else repr(value)
            for rank, value in enumerate(self._values)
        )
        return f"[{', '.join(shown)}]"


def read_all_values(
    snapshot: Snapshot,
    record: Telemetry,
    *,
    bundle: Callable[[], SentBundle],
    opener: result_reader.Opener,
    first: Outcome,
) -> Sequence[Any]:
    """Return the values of all ranks, a list if none is missing; `first` is the outcome of rank 0."""
    values: list[Any] = []
    missing = {}
    for rank in range(snapshot.ranks):
        try:
            read = read_outcome(snapshot, record, bundle=bundle, opener=opener, rank=rank) if rank else first
            values.append(read.value)
        except errors.NoResult as error:  # noqa: PERF203 - a rank each
            values.append(None)
            missing[rank] = error
    return Results(values, missing) if missing else values


def build_exception(snapshot: Snapshot, record: Telemetry, bundle: Callable[[], SentBundle]) -> Exception:
    """Return the exception that the cell of a failed job raised, or `errors.JobFailed` if it cannot be rebuilt.

    Without the job's `bundle`, the exception's signature cannot be verified, so it is not unpickled.
    """
    rank = snapshot.failure.rank if snapshot.failure is not None and snapshot.failure.traceback else None
    message = record.raised(rank) if rank is not None else None
    if rank is None or message is None:
        return failure_error(snapshot)
    try:
        sent_bundle = bundle()
        texts = sent_bundle.texts()
        error = remote_exception.rebuild_exception(
            message.body, key=sent_bundle.key, rank=rank, file_of=lambda file: cell_names.file_of(file, texts)
        )
    except (errors.ApiError, rank_results.ForgedResult, ValueError, KeyError, pickle.UnpicklingError):
        error = None
    if error is None:
        return failure_error(snapshot)
    if error.__traceback__ is None and sent_bundle.manifest is not None:
        error.__traceback__ = _program_start(sent_bundle.manifest, texts)
    course = _failure_order(snapshot)
    for line in [
        f"Job {snapshot.name}: {course[:1].lower()}{course[1:]}" if course else f"Job {snapshot.name}",
        snapshot.failure.remedy if snapshot.failure else "",
    ]:
        if line:
            remote_exception.add_note(error, line)
    return error


def _program_start(manifest: Manifest, texts: Mapping[str, tuple[str, str]]) -> TracebackType:
    """Return a traceback to the first line of the program, for an error that none of its lines raised.

    Such an error is a wrong argument of a function. Without a line of the user, tracebacks would end in this package.
    """
    lines = manifest.source.splitlines()
    first = next((number for number, line in enumerate(lines, start=1) if _DEFINITION.match(line)), 1)
    name = manifest.filename.removesuffix("()") if manifest.kind == FUNCTION else "<module>"
    return remote_exception.traceback_at(cell_names.file_of(manifest.filename, texts), first, name)


_DEFINITION: Final = re.compile(r"\s*(async\s+def|def|class)\b")


def _failure_order(snapshot: Snapshot) -> str:
    """Return sentences on which rank failed first, how the others ended, and the number of restarts."""
    sentences = [snapshot.failure.first] if snapshot.failure is not None and snapshot.failure.first else []
    if snapshot.restarts:
        sentences.append(f"That was after {snapshot.restarts} restart{'s' if snapshot.restarts > 1 else ''}.")
    return " ".join(sentences)


def failure_error(snapshot: Snapshot) -> errors.JobFailed:
    """Return the error of a failed job with headline, location, remedy and the rank's traceback."""
    failure = snapshot.failure or Failure(snapshot.reason or "the job failed")
    lines = [f"{snapshot.name} failed: {failure.headline}", *filter(None, [_failure_order(snapshot)])]
    if failure.where:
        lines.append(f"{failure.where}: {failure.source}".rstrip(": "))
    if failure.remedy:
        lines.append(failure.remedy)
    if failure.traceback:
        lines += ["", failure.traceback.rstrip()]
    return errors.JobFailed("\n".join(lines), rank=failure.rank, traceback=failure.traceback)
