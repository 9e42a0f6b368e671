"""Decide whether the daemon is idle: no open request, no recent request, and no unfinished job.

The HTTPS server counts its requests in `RequestActivity`; watches and followed logs are open requests. A stopped
(suspended) job does not count as unfinished: it has no pods, and needs no daemon until it is resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import JOBS, JOBSETS, PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.kube.client import Client

FINISHED_CONDITIONS = {
    TRAINJOBS: ("Complete", "Failed"),
    JOBSETS: ("Completed", "Failed"),
    JOBS: ("Complete", "Failed"),
}
"""The terminal conditions of each kind."""


class RequestActivity:
    """Counts open requests and the time since the last one. Enter it around each request; thread-safe."""

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
    def idle_seconds(self) -> float:
        """Return the seconds since the last request ended; 0 while one is open."""
        with self._lock:
            return 0.0 if self._open else self._clock() - self._last

    @property
    def seconds_since_request(self) -> float:
        """Return the seconds since a request ended; open requests, such as watches, do not count."""
        with self._lock:
            return self._clock() - self._last


def is_unfinished(kind: str, obj: KubeObject) -> bool:
    """Return whether the cluster still has to act on an object of that kind."""
    if "deletionTimestamp" in obj["metadata"]:
        return True
    if kind == PODS.kind:
        return (obj.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    if obj["spec"].get("suspend"):
        return False
    condition_types = next(ends for resource, ends in FINISHED_CONDITIONS.items() if resource.kind == kind)
    return not any(conditions.is_true(obj, end) for end in condition_types)


def has_unfinished_work(client: Client) -> bool:
    """Return whether any object is unfinished. Active pods are checked first: the server has an index for them."""
    running = "status.phase!=Succeeded,status.phase!=Failed"
    if client.list(PODS, fields=running).items:
        return True
    return any(
        is_unfinished(resource.kind, obj)
        for resource in (PODS, *FINISHED_CONDITIONS)
        for obj in client.list(resource).items
    )
