"""Curves for drawing: columns of all ranks in, at most a thousand points a metric out.

Over the ranks of a step a curve is their mean, and the range from the lowest to the highest. Over more steps than there
are points to draw, each stretch keeps the lowest and the highest mean where they were, and the whole range: a spike
stays a spike however many steps there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from jupyter_trainjob import errors
from jupyter_trainjob.widget.source import Source
from jupyter_trainjob.widget.text import clean

if TYPE_CHECKING:
    from jupyter_trainjob.metrics.bands import Array, Band
    from jupyter_trainjob.metrics.series import Series

Answer: TypeAlias = "tuple[dict[str, Any], list[bytes]]"

POINTS = 1000
LEAST_POINTS = 32
POINTS_OF_ALL_RANKS = 8_000
"""So many in one answer, whatever the number of ranks."""
MOST_RANKS = 256
CLOCK_POINTS = 400
MAX_METRICS = 64
_COLUMNS = frozenset({"rank", "time", "step"})


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric over steps. The columns are equally long, steps rise."""

    ranks: int = 0
    x: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)


class Curves:
    """All metrics of a job. Fed with ever longer columns it reads each row of a rank once."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}
        self._read: dict[float, _Read] = {}

    @property
    def names(self) -> list[str]:
        """The metrics with a point, in the order of their first one."""
        return list(self._metrics)

    def feed(self, series: Mapping[str, Sequence[float]]) -> set[str]:
        """Take the columns as they are now; returns the names of the curves that changed."""
        fresh = self._fresh(series)
        if fresh is None:  # Earlier rows are not what they were, as after an attempt was begun anew.
            self._metrics, self._read = {}, {}
            fresh = self._fresh(series) or []
        changed = set()
        for name in [name for name in series if name not in _COLUMNS]:
            metric = self._metrics.get(name) or _Metric()
            added = [metric.add(rank, series["step"], series[name], rows) for rank, rows in fresh]
            if any(added):
                self._metrics[name] = metric
                changed.add(name)
        return changed

    def curve(self, name: str, *, points: int = POINTS) -> Curve:
        """Return a curve of at most `points` points."""
        return thin(self._metrics[name].curve(), points) if name in self._metrics else Curve()

    def _fresh(self, series: Mapping[str, Sequence[float]]) -> list[tuple[float, range]] | None:
        """Return the rows that were not read yet, by rank; None if those that were are others now."""
        fresh, counts, start = [], dict.fromkeys(self._read, 0), 0
        times, steps = series.get("time", ()), series.get("step", ())
        for rank, run in itertools.groupby(series.get("rank", ())):
            end = start + sum(1 for _ in run)
            before, counts[rank] = counts.get(rank, 0), counts.get(rank, 0) + end - start
            known = self._read.get(rank)
            begin = start if known is None else start + max(0, known.rows - before)
            if known is not None and start < begin <= end and not known.ends_with(times[begin - 1], steps[begin - 1]):
                return None
            if begin < end:
                fresh.append((rank, range(begin, end)))
            start = end
        if any(counts[rank] < known.rows for rank, known in self._read.items()):
            return None
        for rank, rows in fresh:
            self._read[rank] = _Read(counts[rank], times[rows[-1]], steps[rows[-1]])
        return fresh


@dataclass(frozen=True, slots=True)
class _Read:
    """How many rows of a rank were read, and the last of them."""

    rows: int
    time: float
    step: float

    def ends_with(self, time: float, step: float) -> bool:
        return time == self.time and (step == self.step or (math.isnan(step) and math.isnan(self.step)))


class _Metric:
    """Sum, count, lowest and highest of each step."""

    def __init__(self) -> None:
        self._steps: dict[float, list[float]] = {}
        self._ranks: dict[float, int] = {}
        """How many numbers each rank gave: the step of a row without one."""

    def add(self, rank: float, steps: Sequence[float], column: Sequence[float], rows: range) -> bool:
        """Take some rows of one rank; returns whether they held a number."""
        by_step, nth = self._steps, self._ranks.get(rank, 0)
        before = nth
        for i in rows:
            number, step = column[i], steps[i]
            if not math.isfinite(number):
                continue  # Absent, or nothing that has a place on an axis.
            if math.isnan(step):
                step = nth
            nth += 1
            seen = by_step.get(step)
            if seen is None:
                by_step[step] = [number, 1, number, number]
                continue
            seen[0] += number
            seen[1] += 1
            if number < seen[2]:  # noqa: PLR1730 - min() for each row would double the time
                seen[2] = number
            if number > seen[3]:  # noqa: PLR1730
                seen[3] = number
        if nth > before:
            self._ranks[rank] = nth
        return nth > before

    def curve(self) -> Curve:
        rows = sorted(self._steps.items())
        return Curve(
            ranks=len(self._ranks),
            x=[float(step) for step, _ in rows],
            mean=[seen[0] / seen[1] for _, seen in rows],
            low=[seen[2] for _, seen in rows],
            high=[seen[3] for _, seen in rows],
        )


def thin(curve: Curve, points: int) -> Curve:
    """Return `curve` with at most `points` points (four at least); its ends stay."""
    size = len(curve.x)
    if size <= points:
        return curve
    x, mean, low, high = [curve.x[0]], [curve.mean[0]], [curve.low[0]], [curve.high[0]]
    buckets = max(1, (points - 2) // 2)
    inner = size - 2
    for bucket in range(buckets):
        where = range(1 + bucket * inner // buckets, 1 + (bucket + 1) * inner // buckets)
        if not where:
            continue
        lowest, highest = min(curve.low[i] for i in where), max(curve.high[i] for i in where)
        for i in sorted({min(where, key=curve.mean.__getitem__), max(where, key=curve.mean.__getitem__)}):
            x.append(curve.x[i])
            mean.append(curve.mean[i])
            low.append(lowest)
            high.append(highest)
    return Curve(
        ranks=curve.ranks,
        x=[*x, curve.x[-1]],
        mean=[*mean, curve.mean[-1]],
        low=[*low, curve.low[-1]],
        high=[*high, curve.high[-1]],
    )


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
    """Return when the steps were, as seconds since the first; no points where nobody knows."""
    points, buffer = _clock(job.series())
    return {"points": points}, [buffer]


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
