"""How long a step takes on each rank, and which ranks are slow, from what they report. Pure.

Where ranks wait for each other in every step, as with DistributedDataParallel, all of them take the time of the slowest
and none stands out: a rank that is `slow` here computes on its own pace, or reports from outside of the part that is
in lock-step.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import median, median_low

SLOWER = 1.25
"""How many times longer than on most ranks a step must take on a slow one."""
SPREAD = 4.4
"""How many times the median deviation of all ranks it must lie above their median: three standard deviations."""
GRAIN = 0.002
"""Seconds that it must be slower at least: reports carry milliseconds."""
PAIRS = 5
"""Fewer times between reports than these do not make a rank slow."""


def step_times(reports: Sequence[tuple[float, float]]) -> list[float]:
    """Return the seconds of a step between each two of `reports`, which are (time, step)."""
    pairs = itertools.pairwise(reports)
    return [(later - time) / (after - step) for (time, step), (later, after) in pairs if after > step and later >= time]


def slow(times: Mapping[int, Sequence[float]]) -> set[int]:
    """Return the ranks that are clearly slower than most; `times` are the seconds of their steps."""
    known = {rank: median(each) for rank, each in times.items() if len(each) >= PAIRS}
    if len(known) < 2:
        return set()
    # Of two ranks the faster one is the measure.
    usual = median_low(known.values())
    deviation = median_low(abs(time - usual) for time in known.values())
    least = max(SLOWER * usual, usual + SPREAD * deviation, usual + GRAIN)
    return {rank for rank, time in known.items() if time >= least}
