"""Delete Events an hour after their last write, as kube-apiserver's ``--event-ttl`` does.

`EventExpiry` deletes from the store directly; watches see the deletions. Rows are in the order of their last write, and
a pass ends at the first event that was created within the hour, so it reads little beyond the expired events.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import EVENTS, KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.cluster.apiserver.requests.selectors import fields_of
from jupyter_trainjob.cluster.store.object_store import StaleWrite, Store, StoreClosed

TTL_SECONDS: Final = 3600.0
INTERVAL_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class EventExpiry:
    """Deletes old events in its own thread."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-expiry", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; call it before closing the store."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def delete_expired(self) -> int:
        """Delete the expired events; return how many."""
        deadline, deleted = self._clock() - TTL_SECONDS, 0
        for row, key in self._store.in_write_order(EVENTS.qualified):
            stored = self._store.get(EVENTS.qualified, key)
            if stored is None or stored[0] != row or self._stopped.is_set():
                continue  # it was deleted or written again
            event = json.loads(stored[1])
            if unix_seconds(event["metadata"]["creationTimestamp"]) > deadline:
                break
            if _last_observed(event, now=self._clock()) <= deadline:
                deleted += self._delete(event, row)
        return deleted

    def _delete(self, event: KubeObject, row: int) -> bool:
        with suppress(StaleWrite):
            self._store.delete(EVENTS.qualified, event, fields=fields_of(EVENTS, event), expected=row)
            return True
        return False

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            try:
                if deleted := self.delete_expired():
                    _log.info("deleted %d events older than an hour", deleted)
            except StoreClosed:  # noqa: PERF203
                return
            except errors.ClusterError as error:
                _log.warning("cannot delete old events, will try again: %s", error)


def _last_observed(event: KubeObject, *, now: float) -> float:
    """Return when an event was last observed, in Unix seconds, ignoring timestamps in the future."""
    series = event.get("series") or {}
    stamps = (event.get("lastTimestamp"), event.get("eventTime"), series.get("lastObservedTime"))
    times = [moment for moment in (unix_seconds(stamp) for stamp in stamps if stamp) if moment <= now]
    return max([unix_seconds(event["metadata"]["creationTimestamp"]), *times])
