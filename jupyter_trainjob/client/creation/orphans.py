"""Delete the Secrets and files of a submit that died before it created its TrainJob.

Once per process and namespace, in the background: an hour-old Secret of a bundle, or a job's copy of a runtime, whose
TrainJob does not exist.
"""

from __future__ import annotations

import logging
import threading
import time

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.constants import BUNDLE_LABEL

AGE = 3600.0

_log = logging.getLogger(__name__)
_swept: set[tuple[str, str]] = set()


def sweep(connection: Connection, namespace: str) -> None:
    """Delete a namespace's orphans in the background, once per process."""
    key = (connection.name, namespace)
    if key not in _swept:
        _swept.add(key)
        threading.Thread(target=_sweep, args=(connection, namespace), name="trainjob-sweep", daemon=True).start()


def _sweep(connection: Connection, namespace: str) -> None:
    client = connection.client
    try:
        for resource in (SECRETS, TRAININGRUNTIMES):
            for orphan in client.list(resource, namespace=namespace, labels=BUNDLE_LABEL).items:
                metadata = orphan["metadata"]
                if metadata.get("ownerReferences") or unix_seconds(metadata["creationTimestamp"]) > time.time() - AGE:
                    continue
                if client.find(TRAINJOBS, metadata["labels"][BUNDLE_LABEL], namespace=namespace) is None:
                    client.delete(resource, metadata["name"], namespace=namespace, uid=metadata["uid"])
    except errors.TrainJobError as error:
        _log.info("deleting orphaned objects in %s failed: %s", namespace, error)
