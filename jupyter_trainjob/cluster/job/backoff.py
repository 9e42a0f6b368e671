"""When a failed pod may be replaced: 10 seconds after the first failure in a row, then twice as many each time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Final

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import Object

FIRST: Final = 10.0
LAST: Final = 600.0
"""Seconds before a failed pod is replaced: the first time, and at most."""

_LONG_AGO: Final = datetime.fromtimestamp(0, timezone.utc)


def wait(failed: Iterable[Object], succeeded: Iterable[Object], now: datetime) -> float:
    """Return the seconds until a pod may be made: after the failures since the last success."""
    last_success = max((ended(pod) for pod in succeeded), default=_LONG_AGO)
    moments = [moment for pod in failed if (moment := ended(pod)) > last_success]
    return after(len(moments), max(moments), now) if moments else 0.0


def after(failures: int, last: datetime, now: datetime) -> float:
    """Return the seconds that are left of the pause after so many failures."""
    pause = timedelta(seconds=min(FIRST * 2.0 ** min(failures - 1, 10), LAST))
    return max((last + pause - now).total_seconds(), 0.0)


def ended(pod: Object) -> datetime:
    """Return when a pod ended (``getFinishedTime``).

    That is when its last container did, else when it ceased to be ready, else when it was deleted, else made.
    """
    metadata = pod["metadata"]
    return (
        _containers_ended(pod)
        or _ceased_to_be_ready(pod)
        or _deleted(metadata)
        or times.parse_time(metadata.get("creationTimestamp"))
        or _LONG_AGO
    )


def _containers_ended(pod: Object) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    moments = [
        times.parse_time(((container.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for container in statuses
    ]
    known = [moment for moment in moments if moment is not None]
    return max(known) if known and len(known) == len(moments) else None


def _ceased_to_be_ready(pod: Object) -> datetime | None:
    ready = conditions.get(pod, "Ready")
    return times.parse_time(ready.get("lastTransitionTime")) if ready and ready["status"] == "False" else None


def _deleted(metadata: Object) -> datetime | None:
    moment = times.parse_time(metadata.get("deletionTimestamp"))
    return moment and moment - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
