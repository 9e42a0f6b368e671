"""Waiting in tests: for a condition, with a generous limit that grows with TRAINJOB_TEST_PATIENCE.

The gate sets the variable to 3, so that a machine with other work does not fail a test.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

import psutil

T = TypeVar("T")
PATIENCE: Final = float(os.environ.get("TRAINJOB_TEST_PATIENCE", "1"))
"""The factor of all limits of time."""
LIMIT: Final = 60.0
_OURS: Final = ("trainjob", "jupyter", "shim", "forkserver", "chrom", "node", "kube")


def patience(seconds: float) -> float:
    """Return a limit of time for this machine: `seconds` on a quiet one."""
    return seconds * PATIENCE


def wait_for(
    condition: Callable[[], T | None],
    what: str = "a condition",
    *,
    limit: float = LIMIT,
    missing: tuple[type[Exception], ...] = (),
    saw: Callable[[], object] | None = None,
) -> T:
    """Wait until `condition` returns something true, and return that.

    Exceptions of the types `missing` count as false. After `limit` seconds on a quiet machine, fail with `what` was
    waited for, the last value or exception, what `saw` returns, and what runs on the machine::

        wait_for(lambda: job.status().finished, "the job to end", saw=lambda: job.logs())
    """
    last: object = None
    deadline = time.monotonic() + patience(limit)
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except missing as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(_report(what, limit, last, saw))
        time.sleep(0.01)


def _report(what: str, limit: float, last: object, saw: Callable[[], object] | None) -> str:
    lines = [f"waited {patience(limit):.0f} s in vain for {what}; the last value was {last!r}"]
    if saw is not None:
        lines.append(f"seen: {saw()}")
    lines.append(f"load {' '.join(f'{value:.1f}' for value in os.getloadavg())}; processes:")
    for process in psutil.process_iter(["pid", "ppid", "status", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if any(part in words for part in _OURS):
            lines.append(f"  {process.info['pid']} of {process.info['ppid']} {process.info['status']} {words[:160]}")
    return "\n".join(lines)
