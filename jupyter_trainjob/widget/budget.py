"""How much a view may say: so many bytes a second, whatever its jobs report, log and change.

What is small and urgent goes at once and is counted; what is large asks first when it may. A busy second is paid back
in the next ones, so a page that opens gets its curves at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BYTES_PER_SECOND = 200_000
BURST_SECONDS = 1.0
"""Seconds that may be spent ahead."""


class Budget:
    """Counts what was said. To be used by one thread."""

    def __init__(
        self, *, bytes_per_second: float = BYTES_PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._paid = clock()
        """When everything that was said will have been paid back."""

    def spend(self, size: int) -> None:
        """Count what was said."""
        self._paid = max(self._paid, self._clock()) + size / self._rate

    def wait(self) -> float:
        """Return in how many seconds something large may be said; 0: now."""
        return max(0.0, self._paid - self._clock() - BURST_SECONDS)
