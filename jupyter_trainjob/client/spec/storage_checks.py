"""Check a job's storage before it is sent, and warn if its folder would be lost.

A note if the cell uses a folder that is deleted with its pod; an error if ``--storage`` names a claim that does not
exist.
"""

from __future__ import annotations

import re

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.storage_location import StorageLocation
from jupyter_trainjob.client.context import Connection

_ASKED = re.compile(r"\b(checkpoint_dir|output_dir)\s*\(")


def lost_files_note(capture: Capture, *, shared: bool) -> str:
    """Return a note on files that will be lost; empty if the folder is kept (`shared`), or the code does not use it."""
    texts = (capture.source, *(source.text for source in capture.sources.values()))
    functions = sorted({match.group(1) for text in texts for match in _ASKED.finditer(text)})
    if shared or not functions:
        return ""
    return (
        f"{' and '.join(f'{name}()' for name in functions)}: jobs on this cluster have no folder that outlives their "
        "pods, so what is written there is lost with the pod. Add --storage pvc://CLAIM, or the URL of an object store."
    )


def check_claim_exists(connection: Connection, storage: StorageLocation, namespace: str) -> None:
    """Raise `errors.UsageError` if the claim does not exist. Do nothing where listing claims is forbidden."""
    if storage.claim is None:
        return
    try:
        claims = connection.client.list(PERSISTENTVOLUMECLAIMS, namespace=namespace).items
    except errors.ApiError:
        return
    names = [str(claim["metadata"]["name"]) for claim in claims]
    if storage.claim not in names:
        available = f"there are {', '.join(sorted(names))}" if names else "it has none"
        raise errors.UsageError(
            f"There is no PersistentVolumeClaim {storage.claim} in namespace {namespace}: {available}. Create it, with "
            "ReadWriteMany where the job has several nodes, or name another. Nothing was sent."
        )
