"""Gang scheduling: the rules of scheduler-plugins' coscheduling for PodGroups.

Pure functions over a PodGroup and the number of its pods, called by `scheduling_queue`. A gang is placed in one step:
enough pods that ``minMember`` have a node, or none. Because no pod of a waiting gang holds a node,
``scheduleTimeoutSeconds`` limits here how long a gang may reserve free resources against the pods behind it. After that
it backs off behind all other pods for the same time, with a message. Each attempt reserves twice as long as the last,
so that small pods cannot starve a large gang. The state follows from the waiting time alone: a restart does not change
it.

Upstream: https://github.com/kubernetes-sigs/scheduler-plugins/tree/master/pkg/coscheduling
"""

from __future__ import annotations

from typing import Final, NamedTuple

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.quantity import Amounts
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.scheduler.pod_cache import GroupCounts

DEFAULT_TIMEOUT: Final = 60.0
"""Coscheduling's permitWaitingTimeSeconds."""
_MAX_DOUBLINGS: Final = 6
"""How often the duration of an attempt doubles."""
NOT_FOUND: Final = "PodGroup not found"


class Attempt(NamedTuple):
    """One attempt of a gang to be placed."""

    duration: float
    """Seconds for which it reserves resources."""
    reserving: bool
    """Whether that time has not passed; after it the gang backs off."""
    remaining: float
    """Seconds until `reserving` changes."""


def pods_needed(group: KubeObject, counts: GroupCounts) -> int:
    """Return how many more pods need a node to reach ``minMember``."""
    return max(0, _min_member(group) - counts.assigned)


def prefilter_failure(group: KubeObject, counts: GroupCounts, pod: str) -> str:
    """Return why the pods of a group fail coscheduling's PreFilter; empty if they pass."""
    gap = _min_member(group) - counts.total
    if gap > 0:
        return (
            f"pre-filter pod {pod} cannot find enough sibling pods, current pods number: {counts.total}, "
            f"minMember of group: {_min_member(group)}"
        )
    if gap + counts.gated > 0:
        return f"pre-filter pod {pod} cannot proceed due to gated pods in the same PodGroup"
    return ""


def min_resources(group: KubeObject) -> Amounts:
    """Return the resources that must be free in the cluster before the first pods of a group get nodes."""
    return quantity.parse_amounts((group.get("spec") or {}).get("minResources"))


def current_attempt(group: KubeObject, waited: float) -> Attempt:
    """Return the current attempt of a gang that has waited so many seconds."""
    timeout = _timeout(group)
    elapsed = max(waited, 0.0)
    attempts = 0
    while True:
        duration = timeout * 2.0 ** min(attempts, _MAX_DOUBLINGS)
        if elapsed < duration:
            return Attempt(duration, reserving=True, remaining=duration - elapsed)
        if elapsed < duration + timeout:
            return Attempt(duration, reserving=False, remaining=duration + timeout - elapsed)
        elapsed -= duration + timeout
        attempts += 1


def timeout_message(attempt: Attempt) -> str:
    """Return the message for a gang that backs off."""
    minutes, seconds = divmod(round(attempt.duration), 60)
    waited = f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return f"rejected due to timeout after waiting {waited} at plugin Coscheduling"


def _min_member(group: KubeObject) -> int:
    return int((group.get("spec") or {}).get("minMember") or 1)


def _timeout(group: KubeObject) -> float:
    seconds = (group.get("spec") or {}).get("scheduleTimeoutSeconds")
    return float(seconds) if seconds and seconds > 0 else DEFAULT_TIMEOUT
