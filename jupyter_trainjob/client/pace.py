"""Which ranks are slow, from how long a step takes on each. Pure.

Where ranks wait for each other in every step, as with DistributedDataParallel, all of them take the time of the slowest
and none stands out: a rank that is `slow` here computes on its own pace, or reports from outside of the part that is
in lock-step.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low

SLOWER = 1.25
"""How many times longer than on most ranks a step must take on a slow one."""
SPREAD = 4.4
"""How many times the median deviation of all ranks it must lie above their median: three standard deviations."""
GRAIN = 0.002
"""Seconds that it must be slower at least: reports carry milliseconds."""


def slow(times: Mapping[int, float]) -> set[int]:
    """Return the ranks that are clearly slower than most; `times` are the seconds that a step takes on each."""
    if len(times) < 2:
        return set()
    # Of two ranks the faster one is the measure.
    usual = median_low(times.values())
    deviation = median_low(abs(time - usual) for time in times.values())
    least = max(SLOWER * usual, usual + SPREAD * deviation, usual + GRAIN)
    return {rank for rank, time in times.items() if time >= least}
