"""Find slow ranks from the step time of each rank. Pure.

If ranks synchronize in every step, as in DistributedDataParallel, all of them have the step time of the slowest one and
none stands out. Only ranks that do not synchronize, or that report outside of the synchronized part, are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low

MIN_RATIO = 1.25
"""Factor by which the step time of a slow rank exceeds the usual step time, at least."""
MIN_DEVIATIONS = 4.4
"""Median absolute deviations by which it exceeds the median, at least: three standard deviations if normal."""
MIN_DIFFERENCE = 0.002
"""Seconds by which it exceeds the median, at least, since reports are in milliseconds."""


def find_stragglers(times: Mapping[int, float]) -> set[int]:
    """Return the ranks that are clearly slower than most; `times` are step times in seconds by rank.

    >>> find_stragglers({0: 0.1, 1: 0.1, 2: 0.1, 3: 0.2})
    {3}
    """
    if len(times) < 2:
        return set()
    # With two ranks, the low median is the faster one.
    usual = median_low(times.values())
    deviation = median_low(abs(time - usual) for time in times.values())
    threshold = max(MIN_RATIO * usual, usual + MIN_DEVIATIONS * deviation, usual + MIN_DIFFERENCE)
    return {rank for rank, time in times.items() if time >= threshold}
