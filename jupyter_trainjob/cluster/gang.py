"""Gangs: what a PodGroup asks of the scheduler, in the words and by the rules of scheduler-plugins' coscheduling.

Pure functions over a PodGroup and the number of its pods, called by `queue`. A gang is placed in one step: so many of
its pods that ``minMember`` have a node, or none. Nothing is given to some of them while the others wait, so what
``scheduleTimeoutSeconds`` limits here is how long a gang may keep room from those behind it: then it steps back behind
all others for as long, and says so. Each time it may hold twice as long, so that a large gang is not starved by small
pods that take turns. All that follows from how long it waits, so that a restart of the scheduler changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.podcache import Counts

DEFAULT_TIMEOUT: Final = 60.0
"""Coscheduling's permitWaitingTimeSeconds."""
_LONGEST: Final = 6
"""How often the time doubles."""
NOT_FOUND: Final = "PodGroup not found"


class Attempt(NamedTuple):
    """One of a gang's tries to be placed."""

    length: float
    """How long it holds room."""
    holding: bool
    """Whether that time is not over; after it the gang steps back."""
    left: float
    """The seconds until that changes."""


def missing(group: Object, counts: Counts) -> int:
    """Return how many more pods need a node for the group to be complete."""
    return max(0, _min_member(group) - counts.assigned)


def refusal(group: Object, counts: Counts, pod: str) -> str:
    """Return why the pods of a group are not even tried (coscheduling's PreFilter); empty if they are."""
    gap = _min_member(group) - counts.total
    if gap > 0:
        return (
            f"pre-filter pod {pod} cannot find enough sibling pods, current pods number: {counts.total}, "
            f"minMember of group: {_min_member(group)}"
        )
    if gap + counts.gated > 0:
        return f"pre-filter pod {pod} cannot proceed due to gated pods in the same PodGroup"
    return ""


def resources(group: Object) -> Amounts:
    """Return what has to be free in the cluster before the first pods of a group get nodes."""
    return quantity.amounts((group.get("spec") or {}).get("minResources"))


def attempt(group: Object, waited: float) -> Attempt:
    """Return which of its tries a gang is in that has waited so many seconds."""
    timeout = _timeout(group)
    left = max(waited, 0.0)
    tries = 0
    while True:
        length = timeout * 2.0 ** min(tries, _LONGEST)
        if left < length:
            return Attempt(length, holding=True, left=length - left)
        if left < length + timeout:
            return Attempt(length, holding=False, left=length + timeout - left)
        left -= length + timeout
        tries += 1


def timed_out(found: Attempt) -> str:
    """Return what is said of a gang that stepped back."""
    minutes, seconds = divmod(round(found.length), 60)
    waited = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return f"rejected due to timeout after waiting {waited} at plugin Coscheduling"


def _min_member(group: Object) -> int:
    return int((group.get("spec") or {}).get("minMember") or 1)


def _timeout(group: Object) -> float:
    seconds = (group.get("spec") or {}).get("scheduleTimeoutSeconds")
    return float(seconds) if seconds and seconds > 0 else DEFAULT_TIMEOUT
