"""Creates a TrainJob with what it needs: Secrets first, then the TrainJob, then the Secrets' owner.

A process that dies in between leaves Secrets without an owner, which a later submit sweeps (see `leftovers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS, Object, Resource, owner_reference
from jupyter_trainjob.client import leftovers, retries
from jupyter_trainjob.client.context import Connection


class Files(Protocol):
    """What of a bundle lies in this computer's files."""

    def write_files(self) -> None:
        """Put it there."""

    def remove_files(self) -> None:
        """Take it away again."""


def create(
    connection: Connection,
    trainjob: Object,
    *,
    secrets: Sequence[Object] = (),
    files: Files | None = None,
    runtime: Object | None = None,
) -> Object:
    """Create everything and return the TrainJob as stored. What was created goes again if the TrainJob is refused.

    `runtime` is the job's own copy of its runtime, where it has one.
    """
    client, namespace = connection.client, trainjob["metadata"]["namespace"]
    created: list[tuple[Resource, str]] = []
    try:
        if files is not None:
            files.write_files()
        if runtime is not None:
            retries.create(client, runtime)
            created.append((TRAININGRUNTIMES, runtime["metadata"]["name"]))
        for secret in secrets:
            client.create(SECRETS, secret)
            created.append((SECRETS, secret["metadata"]["name"]))
        stored = client.create(TRAINJOBS, trainjob) if runtime is None else retries.create_trainjob(client, trainjob)
    except (errors.TrainJobError, OSError):  # The latter of a disk that is full.
        for resource, name in created:
            client.delete(resource, name, namespace=namespace)
        if files is not None:
            files.remove_files()
        raise
    owner = {"metadata": {"ownerReferences": [owner_reference(stored, controller=False)]}}
    for resource, name in created:
        client.patch(resource, name, owner, namespace=namespace)
    leftovers.sweep(connection, namespace)
    return stored
