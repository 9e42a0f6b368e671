"""When a daemon is of no use to anybody: no request is being answered, none came for long, and no job is unfinished.

The HTTPS front counts its requests in `Activity`; watches and followed logs are requests that are being answered. What
keeps a daemon is what it has to do something about: a stopped (suspended) job has no pods and waits as well without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PODS, TRAINJOBS, Object
from jupyter_trainjob.kube.client import Client

FINISHED = {
    TRAINJOBS: ("Complete", "Failed"),
    JOBSETS: ("Completed", "Failed"),
    JOBS: ("Complete", "Failed"),
}
"""The conditions of each kind that never become false again."""


class Activity:
    """What requests of others there are. A context manager around each of them; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._open = 0
        self._last = clock()

    def __enter__(self) -> None:
        with self._lock:
            self._open += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._open -= 1
            self._last = self._clock()

    @property
    def quiet_seconds(self) -> float:
        """Return for how long there has been no request."""
        with self._lock:
            return 0.0 if self._open else self._clock() - self._last

    @property
    def unasked_seconds(self) -> float:
        """Return for how long no request has ended; those that go on, such as watches, do not count."""
        with self._lock:
            return self._clock() - self._last


def is_unfinished(kind: str, obj: Object) -> bool:
    """Return whether the cluster has something left to do for an object of that kind."""
    if "deletionTimestamp" in obj["metadata"]:
        return True
    if kind == PODS.kind:
        return (obj.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    if obj["spec"].get("suspend"):
        return False
    ends = next(ends for resource, ends in FINISHED.items() if resource.kind == kind)
    return not any(conditions.is_true(obj, end) for end in ends)


def anything_unfinished(client: Client) -> bool:
    """Return whether there is such an object. Pods go first: the server picks those that run without reading all."""
    running = "status.phase!=Succeeded,status.phase!=Failed"
    if client.list(PODS, fields=running).items:
        return True
    return any(
        is_unfinished(resource.kind, obj) for resource in (PODS, *FINISHED) for obj in client.list(resource).items
    )
