"""Sets of completion indexes as Jobs write them: ``0-3,5``, two neighbours as ``0,1``."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_trainjob.api.pods import completion_index
from jupyter_trainjob.api.resources import Object


def index_of(job: Object, pod: Object) -> int | None:
    """Return the index of a pod, if it is one that its Job has."""
    index = completion_index(pod)
    return None if index is None or index >= job["spec"]["completions"] else index


def parse(text: str, *, completions: int) -> set[int]:
    """Return the indexes below `completions` that a status names; what cannot be read is left out."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(range(int(first), min(int(last or first), completions - 1) + 1))
    return found


def written(indexes: Iterable[int]) -> str:
    """Return the indexes as text: runs of three and more as an interval."""
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(_run(first, last) for first, last in runs)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}{',' if last == first + 1 else '-'}{last}"
