"""Record Events about what a reconciler did or could not do.

`EventRecorder.record` creates an Event object. A repeated message about the same object increments the count of one
Event, since failing reconcilers retry. If an Event cannot be written, that is only logged.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import EVENTS, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.kube.client import Client

_log = logging.getLogger(__name__)

NORMAL = "Normal"
WARNING = "Warning"
MESSAGE_LIMIT = 1024
_REMEMBERED = 1024

_Key = tuple[str, str, str, str]
"""Identity of an event: object, part, reason and message."""


class EventRecorder:
    """Writes events in the name of one controller."""

    def __init__(self, client: Client, *, controller: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._controller = controller
        self._clock = clock
        self._lock = Lock()
        self._counts: OrderedDict[_Key, tuple[str, int]] = OrderedDict()

    def record(
        self, about: KubeObject, *, kind: str, reason: str, message: str, action: str = "Reconciling", part: str = ""
    ) -> None:
        """Write an event of `kind` ``Normal`` or ``Warning``, or increment the count of the same event.

        `part` is the field of the object that it concerns, as ``spec.containers{main}``.
        """
        message = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 4] + " ..."
        name, count = self._count((about["metadata"]["uid"], part, reason, message), about)
        namespace = about["metadata"]["namespace"]
        now = timestamp(self._clock())
        try:
            if count > 1:
                patch = {"count": count, "lastTimestamp": now}
                self._client.patch(EVENTS, name, patch, namespace=namespace)
            else:
                event = {
                    "action": action,
                    "type": kind,
                    "reason": reason,
                    "message": message,
                    "firstTimestamp": now,
                    "lastTimestamp": now,
                }
                self._client.create(EVENTS, self._complete(event, name, about, part))
        except errors.TrainJobError as error:
            _log.warning("event %s about %s/%s: %s", reason, namespace, about["metadata"]["name"], error)
            with self._lock:
                self._counts.pop((about["metadata"]["uid"], part, reason, message), None)

    def _count(self, key: _Key, about: KubeObject) -> tuple[str, int]:
        """Return the name of the event, and how often it has occurred, this time included."""
        with self._lock:
            name, count = self._counts.pop(key, ("", 0))
            name = name or f"{about['metadata']['name']}.{int(self._clock() * 1e9):x}"
            self._counts[key] = (name, count + 1)
            if len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)
            return name, count + 1

    def _complete(self, event: KubeObject, name: str, about: KubeObject, part: str) -> KubeObject:
        metadata = about["metadata"]
        return {
            **event,
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
                **({"fieldPath": part} if part else {}),
            },
            "source": {"component": self._controller},
            "reportingComponent": self._controller,
            "reportingInstance": self._controller,
            "count": 1,
        }
