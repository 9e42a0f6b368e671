"""Back-off of failed pods: 10 seconds after the first failure in a row, doubled with each further one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Final

from jupyter_trainjob.api import conditions, times
from jupyter_trainjob.api.resources import KubeObject

INITIAL_SECONDS: Final = 10.0
MAX_SECONDS: Final = 600.0
"""Seconds before a failed pod is replaced: after the first failure, and at most."""

_EPOCH: Final = datetime.fromtimestamp(0, timezone.utc)


def seconds_until_retry(failed: Iterable[KubeObject], succeeded: Iterable[KubeObject], now: datetime) -> float:
    """Return the seconds until a pod may be created, given the failures since the last success."""
    last_success = max((finish_time(pod) for pod in succeeded), default=_EPOCH)
    finish_times = [time for pod in failed if (time := finish_time(pod)) > last_success]
    return remaining_backoff(len(finish_times), max(finish_times), now) if finish_times else 0.0


def remaining_backoff(failures: int, last: datetime, now: datetime) -> float:
    """Return the seconds that remain of the back-off after so many consecutive failures, the last one at `last`."""
    pause = timedelta(seconds=min(INITIAL_SECONDS * 2.0 ** min(failures - 1, 10), MAX_SECONDS))
    return max((last + pause - now).total_seconds(), 0.0)


def finish_time(pod: KubeObject) -> datetime:
    """Return when a pod finished (``getFinishedTime``).

    That is when its last container terminated, else when it became unready, else when it was deleted, else created.
    """
    metadata = pod["metadata"]
    return (
        _containers_finish_time(pod)
        or _unready_time(pod)
        or _deletion_time(metadata)
        or times.parse_time(metadata.get("creationTimestamp"))
        or _EPOCH
    )


def _containers_finish_time(pod: KubeObject) -> datetime | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    moments = [
        times.parse_time(((container.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for container in statuses
    ]
    present = [moment for moment in moments if moment is not None]
    return max(present) if present and len(present) == len(moments) else None


def _unready_time(pod: KubeObject) -> datetime | None:
    ready = conditions.get_condition(pod, "Ready")
    return times.parse_time(ready.get("lastTransitionTime")) if ready and ready["status"] == "False" else None


def _deletion_time(metadata: KubeObject) -> datetime | None:
    moment = times.parse_time(metadata.get("deletionTimestamp"))
    return moment and moment - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
