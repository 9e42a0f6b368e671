"""Sweeps what a submit left behind that died between its Secrets and its TrainJob.

Once per process and namespace, in the background: an hour-old Secret of a bundle, or a job's copy of a runtime, whose
TrainJob does not exist.
"""

from __future__ import annotations

import logging
import threading
import time

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.constants import BUNDLE_LABEL

AGE = 3600.0

_log = logging.getLogger(__name__)
_swept: set[tuple[str, str]] = set()


def sweep(connection: Connection, namespace: str) -> None:
    """Start the sweep of a namespace, unless this process has done it."""
    place = (connection.name, namespace)
    if place not in _swept:
        _swept.add(place)
        threading.Thread(target=_sweep, args=(connection, namespace), name="trainjob-sweep", daemon=True).start()


def _sweep(connection: Connection, namespace: str) -> None:
    client = connection.client
    try:
        for resource in (SECRETS, TRAININGRUNTIMES):
            for left in client.list(resource, namespace=namespace, labels=BUNDLE_LABEL).items:
                metadata = left["metadata"]
                if metadata.get("ownerReferences") or seconds(metadata["creationTimestamp"]) > time.time() - AGE:
                    continue
                if client.find(TRAINJOBS, metadata["labels"][BUNDLE_LABEL], namespace=namespace) is None:
                    client.delete(resource, metadata["name"], namespace=namespace, uid=metadata["uid"])
    except errors.TrainJobError as error:
        _log.info("leftovers of earlier submits in %s were not swept: %s", namespace, error)
