"""Limit the rate of an operation with a token bucket, like client-go's."""

from __future__ import annotations

import time
from collections.abc import Callable


class RequestRate:
    """Allows `qps` requests a second on average, and `burst` at once."""

    def __init__(self, *, qps: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / qps
        self._slack = (burst - 1) / qps
        self._clock = clock
        self._next = clock()
        """When the next request could start if none were allowed to come early."""

    def reserve(self, most: float) -> float | None:
        """Return the seconds to wait before a request; None, without reserving, if that is more than `most`.

        >>> rate = RequestRate(qps=1, burst=2, clock=lambda: 0.0)
        >>> [rate.reserve(1.5) for _ in range(4)]
        [0.0, 0.0, 1.0, None]
        """
        now = self._clock()
        start = max(self._next, now)
        wait = max(0.0, start - self._slack - now)
        if wait > most:
            return None
        self._next = start + self._interval
        return wait
