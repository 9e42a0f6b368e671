"""Requests about curves, and the binary encoding of curves.

A handler gets the job and the arguments as the browser sent them, unchecked. It returns JSON and binary columns, with a
bounded number of points, however many ranks and steps there are. `request_handlers` lists the requests;
``labextension/src/core/protocol/messages.ts`` declares their shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jupyter_trainjob import errors
from jupyter_trainjob.rendering.job_source import Answer, JobSource
from jupyter_trainjob.rendering.text import sanitize

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.bands import Array, Band
    from jupyter_trainjob.metrics.series import Series

MAX_POINTS = 1000
"""Maximum points of a curve."""
MIN_POINTS = 32
MAX_POINTS_OF_RANKS = 8_000
"""Maximum points of all ranks' curves together in one answer."""
MAX_RANKS = 256
CLOCK_POINTS = 400
MAX_RESTARTS = 50
MAX_METRICS = 64


def read_window(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    """Return a range of steps of one metric at full resolution: the band over ranks, or a line for each rank."""
    name, ranks = str(arguments.get("name")), arguments.get("ranks")
    start, end, points = _step(arguments.get("start")), _step(arguments.get("end")), _points(arguments.get("points"))
    series = job.series()
    if ranks is None:
        band = series.band(name, start=start, end=end, points=points)
        return {"curves": [{**_head(name, band.ranks, len(band.x)), "rank": None}]}, [pack_columns(*band_columns(band))]
    wanted = series.ranks(name) if ranks == "all" else _ranks(ranks)
    if len(wanted) > MAX_RANKS:
        raise errors.UsageError(
            f"{len(wanted)} ranks are too many: at most {MAX_RANKS} can be drawn. Choose some of them."
        )
    points_per_rank = max(MIN_POINTS, min(points, MAX_POINTS_OF_RANKS // max(1, len(wanted))))
    lines = series.lines(name, ranks=wanted, start=start, end=end, points=points_per_rank)
    heads = [{**_head(name, 1, len(line.x)), "rank": rank} for rank, line in lines.items()]
    return {"curves": heads}, [pack_columns(line.x, line.y) for line in lines.values()]


def read_clock(job: JobSource, _: Mapping[str, Any]) -> Answer:
    """Return the times of the steps, in seconds since the first, and the steps at which restarts continued.

    There are no points if the times are unknown.
    """
    series = job.series()
    points, buffer = _clock(series)
    return {"points": points, "restarts": series.restarts()[:MAX_RESTARTS]}, [buffer]


def list_comparable_jobs(job: JobSource, _: Mapping[str, Any]) -> Answer:
    """Return the jobs that this one can be compared with, the most similar first."""
    rows = [
        {
            "uid": earlier.uid,
            "name": sanitize(earlier.name),
            "state": earlier.state.value,
            "created": earlier.created,
            "finished": earlier.finished,
        }
        for earlier in job.comparable_jobs()
    ]
    return {"jobs": rows}, []


def read_other_curves(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    """Return the curves of another job, with its clock in the last buffer."""
    other = job.sibling(str(arguments.get("uid")))
    series = other.series()
    names = series.names()[:MAX_METRICS]
    if not names:
        raise errors.UsageError(f"{other.name} has not reported a metric.")
    bands = [series.band(name, points=MAX_POINTS) for name in names]
    clock_points, clock = _clock(series)
    heads = [_head(name, band.ranks, len(band.x)) for name, band in zip(names, bands, strict=True)]
    content = {"name": sanitize(other.name), "curves": heads, "clock": clock_points}
    return content, [*(pack_columns(*band_columns(band)) for band in bands), clock]


def export_csv(job: JobSource, arguments: Mapping[str, Any]) -> Answer:
    """Return every report as gzipped CSV: rank, time, step and a column for each of the metrics `names`; None: all."""
    from jupyter_trainjob.rendering.csv_export import write_csv

    series, names = job.series(), arguments.get("names")
    wanted = [name for name in series.names() if names is None or (isinstance(names, list) and name in names)]
    packed, rows, complete = write_csv(series, wanted)
    return {"rows": rows, "complete": complete}, [packed]


def pack_columns(*columns: Array) -> bytes:
    """Encode columns one after the other, as little-endian doubles."""
    return b"".join(column.astype("<f8").tobytes() for column in columns)


def band_columns(band: Band) -> tuple[Array, Array, Array, Array]:
    """Return the columns of a band in the order in which they are sent."""
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
    return len(steps), pack_columns(steps, np.maximum.accumulate(times - times[0]))


def _head(name: str, ranks: int, points: int) -> dict[str, Any]:
    return {"name": sanitize(name), "ranks": ranks, "points": points}


def _ranks(value: Any) -> list[int]:
    if not isinstance(value, list) or not all(isinstance(rank, int) and rank >= 0 for rank in value):
        raise errors.UsageError(f"{value!r} is not a list of ranks, nor 'all', nor null for the band.")
    return sorted(set(value))


def _step(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise errors.UsageError(f"{value!r} is not a step.")
    return float(value)


def _points(value: Any) -> int:
    return min(MAX_POINTS, max(MIN_POINTS, value)) if isinstance(value, int) else MAX_POINTS
