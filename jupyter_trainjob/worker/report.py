"""``report()``: the one function of this project that training code calls.

A call appends to a list, which the thread of `output.frame_writer` empties; it must be cheap, as cells call it many
thousand times. It never raises: a mistake in telemetry must not end a training. Outside a job nothing is stored, but
the arguments are checked, so that the notebook shows the same warnings.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from time import time
from typing import Any, Final, SupportsFloat

Row = tuple[float, "float | None", "float | None", Mapping[str, float]]
"""One report: time, step, total, metrics."""
Reportable = SupportsFloat | Sequence[SupportsFloat] | Mapping[str, SupportsFloat] | None

ROWS_LIMIT: Final = 2**17
"""Reports that wait for the frame writer. Beyond that every other report is dropped, as `report` must not block."""
ITEMS_LIMIT: Final = 16
"""Items of a list that become metrics of their own."""
WARNINGS_LIMIT: Final = 100
_COLUMNS: Final = ("time", "rank", "step")
"""Columns of every report, which cannot be names of metrics."""

_rows: list[Row] | None = None
_warned: set[str] = set()


def report(
    *unnamed: Mapping[str, Reportable],
    step: SupportsFloat | None = None,
    total: SupportsFloat | None = None,
    **metrics: Reportable,
) -> None:
    """Report the progress of this rank: its step, the total number of steps, and any metrics by name.

    Values are numbers, or tensors and arrays of one element; they are converted at once. The items of a list are
    metrics of their own (``lr.0``, ``lr.1``), as are those of a dict (``losses.box``); a list of one number is that
    number, and None is a gap. A dict without a name contains arguments.

    >>> report(step=1, total=100, loss=0.5, lr=[0.1, 0.01])

    What is no number, or has a name that is taken (``time``, ``rank``), is left out with a warning on standard error,
    once for each name; the other values are kept. Outside a job nothing is stored.
    """
    if unnamed:
        metrics = {**_named(unnamed), **metrics}
        step = metrics.pop("step", None) if step is None else step  # type: ignore[assignment]
        total = metrics.pop("total", None) if total is None else total  # type: ignore[assignment]
    for value in metrics.values():
        if type(value) is not float:
            metrics = dict(_numbers(metrics))
            break
    if "time" in metrics or "rank" in metrics or "step" in metrics:
        metrics = _without_columns(metrics)
    if step is not None and type(step) is not int:
        step = _to_float("step", step)
    if total is not None and type(total) is not int:
        total = _to_float("total", total)
    rows = _rows
    if rows is None:
        return
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


def _named(unnamed: Sequence[Any]) -> dict[str, Any]:
    """Return the contents of dicts that were given without a name."""
    metrics: dict[str, Any] = {}
    for value in unnamed:
        if isinstance(value, Mapping):
            metrics.update((str(name), item) for name, item in value.items())
        else:
            _warn("a value without a name", "give it one, as in report(loss=0.5).")
    return metrics


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the metrics that are numbers, and the items of those that are lists or dicts."""
    for name, value in metrics.items():
        for item_name, item in _items(name, value):
            number = _to_float(item_name, item)
            if number is not None:
                yield item_name, number


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{name}.{key}", item) for key, item in value.items())
    elif not isinstance(value, (list, tuple)) or len(value) == 1:
        yield name, value
    elif len(value) <= ITEMS_LIMIT:
        yield from ((f"{name}.{index}", item) for index, item in enumerate(value))
    else:
        _warn(name, f"it has {len(value):,} items, and at most {ITEMS_LIMIT} become metrics. Report their mean.")


def _without_columns(metrics: Mapping[str, Any]) -> dict[str, Any]:
    for name in _COLUMNS:
        if name in metrics:
            _warn(f"the metric {name!r}", f"every report has a {name}. Give it another name, such as {name}_value.")
    return {name: value for name, value in metrics.items() if name not in _COLUMNS}


def _to_float(name: str, value: Any) -> float | None:
    """Return a number; None for None and, with a warning, for what is no number."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        (value,) = value
    if value is None:
        return None
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError("text is not a number")
        item = getattr(value, "item", None)  # `float` of an array or tensor warns of dimensions and gradients.
        return float(item() if callable(item) else value)
    except OverflowError:  # An integer beyond the largest float.
        return math.inf if value > 0 else -math.inf
    except Exception as error:  # noqa: BLE001 - values can be of any class
        _warn(
            name,
            f"it must be a number, or a tensor or array of one element, not {type(value).__qualname__} ({error}). "
            "Convert it first, for example with .item() or .mean().",
        )
        return None


def _warn(name: str, why: str) -> None:
    """Write a warning to standard error, once for each name."""
    if name not in _warned and len(_warned) < WARNINGS_LIMIT:
        _warned.add(name)
        print(f"report(): {name} is left out: {why}", file=sys.stderr)
