"""What a front end may ask about curves, and how they travel: between the `Series` of jobs and the comm.

A request comes in as its job and its arguments, as they came from the browser: nothing about them is certain. Out goes
JSON and binary columns, never more points than a chart can show, however many ranks and steps there are. The requests
are in the table of `requests`, their shapes in ``labextension/src/core/protocol.ts``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_trainjob import errors
from jupyter_trainjob.widget.source import Answer, Source
from jupyter_trainjob.widget.text import clean

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.bands import Array, Band
    from jupyter_trainjob.metrics.series import Series

POINTS = 1000
LEAST_POINTS = 32
POINTS_OF_ALL_RANKS = 8_000
"""So many in one answer, whatever the number of ranks."""
MOST_RANKS = 256
CLOCK_POINTS = 400
MOST_RESTARTS = 50
MAX_METRICS = 64


def window(job: Source, arguments: Mapping[str, Any]) -> Answer:
    """Return a stretch of one metric at full resolution: the band over ranks, or a line for each rank."""
    name, ranks = str(arguments.get("name")), arguments.get("ranks")
    start, end, points = _step(arguments.get("start")), _step(arguments.get("end")), _points(arguments.get("points"))
    series = job.series()
    if ranks is None:
        band = series.band(name, start=start, end=end, points=points)
        return {"curves": [{**_head(name, band.ranks, len(band.x)), "rank": None}]}, [pack(*columns_of(band))]
    wanted = series.ranks(name) if ranks == "all" else _ranks(ranks)
    if len(wanted) > MOST_RANKS:
        raise errors.UsageError(
            f"{len(wanted)} ranks are too many to be told apart, {MOST_RANKS} can be drawn. Choose some of them."
        )
    each = max(LEAST_POINTS, min(points, POINTS_OF_ALL_RANKS // max(1, len(wanted))))
    lines = series.lines(name, ranks=wanted, start=start, end=end, points=each)
    heads = [{**_head(name, 1, len(line.x)), "rank": rank} for rank, line in lines.items()]
    return {"curves": heads}, [pack(line.x, line.y) for line in lines.values()]


def clock(job: Source, _: Mapping[str, Any]) -> Answer:
    """Return when the steps were, as seconds since the first, and where attempts began anew.

    There are no points where nobody knows the times.
    """
    series = job.series()
    points, buffer = _clock(series)
    return {"points": points, "restarts": series.restarts()[:MOST_RESTARTS]}, [buffer]


def earlier(job: Source, _: Mapping[str, Any]) -> Answer:
    """Return the jobs that this one can be compared with, the most alike first."""
    rows = [
        {
            "uid": each.uid,
            "name": clean(each.name),
            "state": each.state.value,
            "created": each.created,
            "finished": each.finished,
        }
        for each in job.earlier()
    ]
    return {"jobs": rows}, []


def pin(job: Source, arguments: Mapping[str, Any]) -> Answer:
    """Return the curves of another job, and as the last buffer its clock."""
    other = job.other(str(arguments.get("uid")))
    series = other.series()
    names = series.names()[:MAX_METRICS]
    if not names:
        raise errors.UsageError(f"{other.name} has not reported a metric.")
    bands = [series.band(name, points=POINTS) for name in names]
    points, times = _clock(series)
    heads = [_head(name, band.ranks, len(band.x)) for name, band in zip(names, bands, strict=True)]
    content = {"name": clean(other.name), "curves": heads, "clock": points}
    return content, [*(pack(*columns_of(band)) for band in bands), times]


def csv(job: Source, arguments: Mapping[str, Any]) -> Answer:
    """Return every report as gzipped CSV: rank, time, step and a column for each of the metrics `names`."""
    from jupyter_trainjob.widget.spreadsheet import sheet

    series, names = job.series(), arguments.get("names")
    wanted = [name for name in series.names() if names is None or (isinstance(names, list) and name in names)]
    packed, rows, complete = sheet(series, wanted)
    return {"rows": rows, "complete": complete}, [packed]


def pack(*columns: Array) -> bytes:
    """Return columns one after the other, as little-endian doubles."""
    return b"".join(column.astype("<f8").tobytes() for column in columns)


def columns_of(band: Band) -> tuple[Array, Array, Array, Array]:
    """Return the columns of a band in the order in which they travel."""
    return band.x, band.mean, band.low, band.high


def _clock(series: Series) -> tuple[int, bytes]:
    import numpy as np

    ends = [band.x[[0, -1]] for name in series.names() if len((band := series.band(name, points=4)).x)]
    if not ends:
        return 0, b""
    steps = np.linspace(min(first for first, _ in ends), max(last for _, last in ends), CLOCK_POINTS)
    times = series.times(steps)
    if not np.isfinite(times).all():
        return 0, b""
    return len(steps), pack(steps, np.maximum.accumulate(times - times[0]))


def _head(name: str, ranks: int, points: int) -> dict[str, Any]:
    return {"name": clean(name), "ranks": ranks, "points": points}


def _ranks(given: Any) -> list[int]:
    whole = isinstance(given, list) and all(isinstance(rank, int) and rank >= 0 for rank in given)
    if not whole:
        raise errors.UsageError(f"{given!r} are no ranks: a list of whole numbers, or 'all', or null for the band.")
    return sorted(set(given))


def _step(given: Any) -> float | None:
    if given is None:
        return None
    if not isinstance(given, int | float) or not math.isfinite(given):
        raise errors.UsageError(f"{given!r} is no step.")
    return float(given)


def _points(given: Any) -> int:
    return min(POINTS, max(LEAST_POINTS, given)) if isinstance(given, int) else POINTS
