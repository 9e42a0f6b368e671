"""Creates a TrainJob with what it needs: Secrets first, then files, then the TrainJob, then the Secrets' owner.

Secrets bear the job's name, so a job of that name which is there already is noticed before its files are touched. A
server that gives no answer may have created the job all the same: it is asked again, and since the job tells by a
random word who sent it, a name that is taken by now is known as this very job. Nothing is removed that a job may need.

A process that dies in between leaves Secrets without an owner, which a later submit sweeps (see `leftovers`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Final, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS, Object, Resource, owner_reference
from jupyter_trainjob.client import leftovers, retries
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.constants import SENT_ANNOTATION
from jupyter_trainjob.kube.client import Client

AGAIN: Final = (0.5, 2.0)
"""Seconds before each further try where no answer came."""

_log = logging.getLogger(__name__)


class Files(Protocol):
    """What of a bundle lies in this computer's files, or behind a URL."""

    def write_files(self) -> None:
        """Put it there."""

    def remove_files(self) -> None:
        """Take it away again."""


class _Unknown(errors.ClusterError):
    """Whether the job exists cannot be told."""


class _Taken(errors.UsageError):
    """Another job has the name."""


def create(
    connection: Connection,
    trainjob: Object,
    *,
    secrets: Sequence[Object] = (),
    files: Files | None = None,
    runtime: Object | None = None,
    again: Sequence[float] = AGAIN,
) -> Object:
    """Create everything and return the TrainJob as stored. What was created goes again if the TrainJob is refused.

    `runtime` is the job's own copy of its runtime, where it has one.
    """
    client, namespace = connection.client, trainjob["metadata"]["namespace"]
    created: list[tuple[Resource, str]] = []
    written: list[Files] = []
    try:
        if runtime is not None:
            retries.create(client, runtime)
            created.append((TRAININGRUNTIMES, runtime["metadata"]["name"]))
        for secret in secrets:
            client.create(SECRETS, secret)
            created.append((SECRETS, secret["metadata"]["name"]))
        if files is not None:
            written.append(files)
            files.write_files()
        stored = _created(client, trainjob, again, seen=runtime is None)
    except _Unknown:
        raise
    except Exception as error:  # Besides ours: of a disk that is full, of the library of a store.
        if isinstance(error, _Taken):
            written.clear()  # They lie where that job's files do.
        for resource, name in created:
            _try(lambda resource=resource, name=name: client.delete(resource, name, namespace=namespace))  # type: ignore[misc]
        for each in written:
            _try(each.remove_files)
        raise
    owner = {"metadata": {"ownerReferences": [owner_reference(stored, controller=False)]}}
    for resource, name in created:
        _try(lambda resource=resource, name=name: client.patch(resource, name, owner, namespace=namespace))  # type: ignore[misc]
    leftovers.sweep(connection, namespace)
    return stored


def _created(client: Client, trainjob: Object, again: Sequence[float], *, seen: bool) -> Object:
    """Create the TrainJob, whose runtime has been `seen` for long or was made just now."""
    metadata = trainjob["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    word = token_hex(8)
    said = {**metadata, "annotations": {**(metadata.get("annotations") or {}), SENT_ANNOTATION: word}}
    sent = {**trainjob, "metadata": said}
    for wait in (*again, None):
        try:
            return client.create(TRAINJOBS, sent) if seen else retries.create_trainjob(client, sent)
        except (errors.ClusterError, errors.ServerError, errors.Conflict) as error:  # noqa: PERF203 - asked again
            try:
                found = client.find(TRAINJOBS, name, namespace=namespace)
            except errors.TrainJobError:
                found = None
            if found is not None and (found["metadata"].get("annotations") or {}).get(SENT_ANNOTATION) == word:
                return found
            if found is not None:
                raise _Taken(
                    f"There is a job {name} in namespace {namespace} already, which was not sent by this. Send it "
                    "again: it gets another name."
                ) from error
            if wait is None:
                raise _Unknown(
                    f"Whether {name} was created cannot be told: {error} What it needs was left in place. Look with "
                    f"`%trainjob list` when the cluster answers again; if {name} is not there, send it once more."
                ) from error
            time.sleep(wait)
    raise AssertionError


def _try(act: Callable[[], object]) -> None:
    """Do what must not hide an earlier error, nor fail a job that is created; what is left is swept some day."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
        _log.info("something of a job that was being created is left: %s", error)
