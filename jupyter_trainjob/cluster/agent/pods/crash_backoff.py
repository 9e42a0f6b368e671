"""Kubelet's crash loop back-off.

The first restart is immediate, the next one 10 s after the end, then 20 s and so on up to 5 minutes; a run of more than
10 minutes resets it. The back-off of a run is stored in its ``spec.json``, for the next agent
(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
"""

from __future__ import annotations

INITIAL_SECONDS, MAX_SECONDS = 10.0, 300.0
RESET_SECONDS = 2 * MAX_SECONDS
"""A run of more seconds resets the back-off."""


def seconds_to_restart(due: float, ran: float) -> float:
    """Return the seconds after its end until a container restarts; `due` is the back-off of the ended run."""
    return 0.0 if ran > RESET_SECONDS else due


def next_backoff(due: float, ran: float) -> float:
    """Return the back-off of the next run, in seconds.

    >>> [next_backoff(due, ran=1.0) for due in (0.0, 10.0, 300.0)]
    [10.0, 20.0, 300.0]
    """
    return INITIAL_SECONDS if ran > RESET_SECONDS or not due else min(2 * due, MAX_SECONDS)
