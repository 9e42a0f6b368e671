"""Rate limit for messages to the front end.

Small, urgent messages are sent at once and only recorded; large ones first ask for the `delay`. A burst is allowed and
repaid in the following seconds, so a page that opens gets its curves at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BYTES_PER_SECOND = 200_000
BURST_SECONDS = 1.0
"""Seconds' worth of bytes that may be sent ahead of the rate."""


class RateLimiter:
    """A token bucket that is allowed to go into debt. Used by one thread.

    >>> limiter = RateLimiter(bytes_per_second=100, clock=lambda: 0.0)
    >>> limiter.record(350)
    >>> limiter.delay()
    2.5
    """

    def __init__(
        self, *, bytes_per_second: float = BYTES_PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._repaid_at = clock()
        """Time at which the rate has caught up with everything sent."""

    def record(self, size: int) -> None:
        """Record `size` sent bytes."""
        self._repaid_at = max(self._repaid_at, self._clock()) + size / self._rate

    def delay(self) -> float:
        """Return the seconds until a large message may be sent; 0 for now."""
        return max(0.0, self._repaid_at - self._clock() - BURST_SECONDS)
