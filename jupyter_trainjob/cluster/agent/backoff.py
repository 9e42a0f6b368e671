"""How long a container waits before it is started again: kubelet's crash back-off.

The first restart is immediate, the next waits for 10 s after the end, then 20 s and so on up to 5 minutes; a run of
more than 10 minutes begins anew. What a run leaves to its successor is written down with it (``spec.json``), so that
the next agent goes on counting.
"""

from __future__ import annotations

FIRST, LONGEST = 10.0, 300.0
FORGIVEN = 2 * LONGEST
"""A run of this many seconds was no crash."""


def pause(due: float, ran: float) -> float:
    """Return how many seconds after its end a container is started again; `due` is what its run was started with."""
    return 0.0 if ran > FORGIVEN else due


def following(due: float, ran: float) -> float:
    """Return what the next run is started with."""
    return FIRST if ran > FORGIVEN or not due else min(2 * due, LONGEST)
