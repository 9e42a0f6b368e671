"""Events go an hour after they were last written, as a real API server's ``--event-ttl`` has it.

The daemon starts `EventExpiry` over its store, beside the API server: events are deleted there as by anybody, so that
watches see it. Rows are in the order of their writing and the sweep ends at the first event that was made within the
hour, so it looks at what goes and little else.
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
from jupyter_trainjob.api.resources import EVENTS, Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.cluster.apiserver.selectors import fields_of
from jupyter_trainjob.cluster.store import Closed, Moved, Store

KEPT_SECONDS: Final = 3600.0
SWEEP_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class EventExpiry:
    """Deletes old events, in a thread of its own."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-expiry", daemon=True)

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, before the store is closed."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def sweep(self) -> int:
        """Delete what is old enough; return how many events that were."""
        before, gone = self._clock() - KEPT_SECONDS, 0
        for row, key in self._store.oldest(EVENTS.qualified):
            found = self._store.get(EVENTS.qualified, key)
            if found is None or found[0] != row or self._stopped.is_set():
                continue  # it is gone, or was written again
            event = json.loads(found[1])
            if seconds(event["metadata"]["creationTimestamp"]) > before:
                break
            if _last(event, now=self._clock()) <= before:
                gone += self._delete(event, row)
        return gone

    def _delete(self, event: Object, row: int) -> bool:
        with suppress(Moved):
            self._store.delete(EVENTS.qualified, event, fields=fields_of(EVENTS, event), expected=row)
            return True
        return False

    def _run(self) -> None:
        while not self._stopped.wait(SWEEP_SECONDS):
            try:
                if gone := self.sweep():
                    _log.info("%d events were older than an hour", gone)
            except Closed:  # noqa: PERF203
                return
            except errors.ClusterError as error:
                _log.warning("old events stay for now: %s", error)


def _last(event: Object, *, now: float) -> float:
    """Return when an event was last told of; what says that it comes from the future counts as old."""
    series = event.get("series") or {}
    stamps = (event.get("lastTimestamp"), event.get("eventTime"), series.get("lastObservedTime"))
    told = [moment for moment in (seconds(stamp) for stamp in stamps if stamp) if moment <= now]
    return max([seconds(event["metadata"]["creationTimestamp"]), *told])
