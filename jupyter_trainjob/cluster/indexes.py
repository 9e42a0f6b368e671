"""Sets of completion indexes as Jobs write them: ``0-3,5``, two neighbours as ``0,1``."""

from __future__ import annotations

from collections.abc import Iterable


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
