"""What to say of a job's folder before the job is sent.

A note where there is none that outlives its pods and the cell asks; an error where ``--storage`` names no claim.
"""

from __future__ import annotations

import re

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.storage import Storage
from jupyter_trainjob.client.context import Connection

_ASKED = re.compile(r"\b(checkpoint_dir|output_dir)\s*\(")


def note(capture: Capture, *, shared: bool) -> str:
    """Return what is lost; nothing if jobs have a folder (`shared`), or neither the cell nor its functions use it."""
    texts = (capture.source, *(source.text for source in capture.sources.values()))
    asked = sorted({found.group(1) for text in texts for found in _ASKED.finditer(text)})
    if shared or not asked:
        return ""
    return (
        f"{' and '.join(f'{name}()' for name in asked)}: jobs on this cluster have no folder that outlives their pods, "
        "so what is written there is lost with the pod. Add --storage pvc://CLAIM, or the URL of an object store."
    )


def check(connection: Connection, storage: Storage, namespace: str) -> None:
    """Raise `errors.UsageError` if there is no such claim. Who may not look finds out from the pods."""
    if storage.claim is None:
        return
    try:
        found = connection.client.list(PERSISTENTVOLUMECLAIMS, namespace=namespace).items
    except errors.ApiError:
        return
    names = [str(each["metadata"]["name"]) for each in found]
    if storage.claim not in names:
        there = f"there are {', '.join(sorted(names))}" if names else "there is none at all"
        raise errors.UsageError(
            f"There is no PersistentVolumeClaim {storage.claim} in namespace {namespace}: {there}. Create it, with "
            "ReadWriteMany where the job has several nodes, or name another. Nothing was sent."
        )
