"""``report()``: how a training loop tells its progress; the one function of this project that user code calls.

Comes from the cell, many thousand times; goes into a list that the speaker's thread empties. The call itself only
appends: it must cost less than anything that it measures. Outside a job it does nothing, so that a cell runs in the
notebook as it runs in a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any, Final, SupportsFloat

Row = tuple[float, "float | None", "float | None", Mapping[str, float]]
"""One report: time, step, total, metrics."""

ROWS_LIMIT: Final = 2**17
"""Reports that wait for the speaker. Where a loop outruns its thread, every other one goes: it must not block."""

_rows: list[Row] | None = None


def report(*, step: SupportsFloat | None = None, total: SupportsFloat | None = None, **metrics: SupportsFloat) -> None:
    """Report how far this rank is: its step, the total number of steps, and any metrics by name.

    Values are numbers, or anything that `float` takes, such as a tensor or NumPy array of one element; they are
    converted at once. Outside a job this does nothing.
    """
    rows = _rows
    if rows is None:
        return
    for value in metrics.values():
        if type(value) is not float:
            metrics = {name: _number(name, value) for name, value in metrics.items()}
            break
    if "time" in metrics or "rank" in metrics:
        raise TypeError("report() cannot take a metric named 'time' or 'rank': these are added to every report.")
    if step is not None and type(step) is not int:
        step = _number("step", step)
    if total is not None and type(total) is not int:
        total = _number("total", total)
    rows.append((time(), step, total, metrics))  # type: ignore[arg-type]
    if len(rows) > ROWS_LIMIT:
        del rows[::2]


def attach(rows: list[Row]) -> None:
    """Let `report` append to `rows` from now on."""
    global _rows  # noqa: PLW0603 - one process is one rank
    _rows = rows


def attached() -> bool:
    """Return whether this process is a rank of a job."""
    return _rows is not None


def detach() -> None:
    """Let `report` do nothing from now on."""
    global _rows  # noqa: PLW0603
    _rows = None


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text is not a number")
        return float(value)
    except Exception as error:
        message = (
            f"report({name}=…) takes a number or a tensor or array of one element, not {type(value).__qualname__} "
            f"({error}). Convert it first, for example with .item() or .mean()."
        )
        raise TypeError(message) from error
