"""``report()``: the one function of this project that training code calls.

A call appends to a list, which the thread of `output.frame_writer` empties; it must be cheap, as cells call it many
thousand times. Outside a job it does nothing, so that the same cell runs in the notebook.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import time
from typing import Any, Final, NoReturn, SupportsFloat

Row = tuple[float, "float | None", "float | None", Mapping[str, float]]
"""One report: time, step, total, metrics."""

ROWS_LIMIT: Final = 2**17
"""Reports that wait for the frame writer. Beyond that every other report is dropped, as `report` must not block."""

_rows: list[Row] | None = None


def report(
    *unnamed: NoReturn,
    step: SupportsFloat | None = None,
    total: SupportsFloat | None = None,
    **metrics: SupportsFloat,
) -> None:
    """Report the progress of this rank: its step, the total number of steps, and any metrics by name.

    Values are numbers, or tensors and arrays of one element; they are converted at once. Outside a job nothing is
    stored, so that a cell runs in the notebook too.

    >>> report(step=1, total=100, loss=0.5)

    Raises `TypeError` for other values, for values without a name, and for a metric called ``time`` or ``rank``.
    """
    if unnamed:
        raise TypeError("report() takes numbers by name: report(loss=0.5), or report(**metrics) for a dict of them.")
    rows = _rows
    if rows is None:
        return
    for value in metrics.values():
        if type(value) is not float:
            metrics = {name: _to_float(name, value) for name, value in metrics.items()}
            break
    if "time" in metrics or "rank" in metrics:
        raise TypeError("report() cannot take a metric named 'time' or 'rank': these are added to every report.")
    if step is not None and type(step) is not int:
        step = _to_float("step", step)
    if total is not None and type(total) is not int:
        total = _to_float("total", total)
    rows.append((time(), step, total, metrics))  # type: ignore[arg-type]
    if len(rows) > ROWS_LIMIT:
        del rows[::2]


def attach(rows: list[Row]) -> None:
    """Make `report` append to `rows`."""
    global _rows  # noqa: PLW0603 - one process is one rank
    _rows = rows


def is_attached() -> bool:
    """Return whether this process is a rank of a job."""
    return _rows is not None


def detach() -> None:
    """Make `report` do nothing."""
    global _rows  # noqa: PLW0603
    _rows = None


def _to_float(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text is not a number")
        item = getattr(value, "item", None)  # `float` of an array or tensor warns of dimensions and gradients.
        return float(item() if callable(item) else value)
    except OverflowError:  # An integer beyond the largest float.
        return math.inf if value > 0 else -math.inf
    except Exception as error:
        message = (
            f"report({name}=…) takes a number or a tensor or array of one element, not {type(value).__qualname__} "
            f"({error}). Convert it first, for example with .item() or .mean()."
        )
        raise TypeError(message) from error
