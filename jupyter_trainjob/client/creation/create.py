"""Create a TrainJob with its Secrets and files, then make it their owner.

Secrets bear the job's name, so an existing job of that name is noticed before its files are touched. If the server does
not respond, it may have created the job nevertheless: the request is repeated, and a random annotation shows whether an
existing job of that name is this one. Nothing is removed that a job may need.

A process that dies in between leaves Secrets without an owner, which a later submit deletes (see `orphans`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Final, Protocol

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS, KubeObject, Resource, owner_reference
from jupyter_trainjob.client import namespaces
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.creation import orphans
from jupyter_trainjob.client.creation.submission_steps import Cancelled
from jupyter_trainjob.client.spec import feasibility, runtime_copy
from jupyter_trainjob.constants import SENT_ANNOTATION
from jupyter_trainjob.kube.client import Client

RETRY_DELAYS: Final = (0.5, 2.0)
"""Seconds before each further attempt if no answer came."""

_log = logging.getLogger(__name__)


class Files(Protocol):
    """The files of a bundle on this computer or behind a URL."""

    def write_files(self) -> None:
        """Write the files."""

    def remove_files(self) -> None:
        """Remove the files."""


class _Unknown(errors.ClusterError):
    """The server did not respond, so the job may or may not exist."""


class _Taken(errors.UsageError):
    """Another job has this name."""


def create_job(
    connection: Connection,
    trainjob: KubeObject,
    *,
    secrets: Sequence[KubeObject] = (),
    files: Files | None = None,
    runtime: KubeObject | None = None,
    again: Sequence[float] = RETRY_DELAYS,
    cancelled: Callable[[], bool] = lambda: False,
) -> KubeObject:
    """Create everything and return the TrainJob as stored. If the TrainJob is refused, everything is removed again.

    `runtime` is the job's own copy of its runtime, if it has one. `cancelled` is checked between the requests: once it
    returns true, everything is removed again and `submission_steps.Cancelled` is raised. Raises `errors.UsageError` for
    a TrainJob that could never run.
    """
    feasibility.check_feasible(trainjob)
    client, namespace = connection.client, trainjob["metadata"]["namespace"]
    created: list[tuple[Resource, str]] = []
    written: list[Files] = []
    try:
        if runtime is not None:
            runtime_copy.create(client, runtime)
            created.append((TRAININGRUNTIMES, runtime["metadata"]["name"]))
        for secret in secrets:
            _check_cancelled(cancelled)
            client.create(SECRETS, secret)
            created.append((SECRETS, secret["metadata"]["name"]))
        _check_cancelled(cancelled)
        if files is not None:
            written.append(files)
            files.write_files()
        _check_cancelled(cancelled)
        stored = _created(client, trainjob, again, runtime_checked=runtime is None)
        created.append((TRAINJOBS, stored["metadata"]["name"]))
        _check_cancelled(cancelled)
        created.pop()
    except _Unknown:
        raise
    except Exception as error:  # Including OSError of a full disk and errors of an object store's library.
        if isinstance(error, _Taken):
            written.clear()  # The other job's files are in the same place.
        for resource, name in reversed(created):
            _try(lambda resource=resource, name=name: client.delete(resource, name, namespace=namespace))  # type: ignore[misc]
        for job_files in written:
            _try(job_files.remove_files)
        if isinstance(error, errors.NotFound):
            namespaces.check_namespace_exists(connection, namespace)
        raise
    owner = {"metadata": {"ownerReferences": [owner_reference(stored, controller=False)]}}
    for resource, name in created:
        _try(lambda resource=resource, name=name: client.patch(resource, name, owner, namespace=namespace))  # type: ignore[misc]
    orphans.sweep(connection, namespace)
    return stored


def _check_cancelled(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("The job was cancelled while it was being sent. All of its objects were deleted.")


def _created(client: Client, trainjob: KubeObject, again: Sequence[float], *, runtime_checked: bool) -> KubeObject:
    """Create the TrainJob; `runtime_checked` is false if its runtime was created just before."""
    metadata = trainjob["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    word = f"{time.time():.3f}-{token_hex(8)}"
    annotated = {**metadata, "annotations": {**(metadata.get("annotations") or {}), SENT_ANNOTATION: word}}
    sent = {**trainjob, "metadata": annotated}
    for wait in (*again, None):
        try:
            return client.create(TRAINJOBS, sent) if runtime_checked else runtime_copy.create_trainjob(client, sent)
        except (errors.ClusterError, errors.ServerError, errors.Conflict) as error:  # noqa: PERF203 - asked again
            try:
                existing = client.find(TRAINJOBS, name, namespace=namespace)
            except errors.TrainJobError:
                existing = None
            if existing is not None and (existing["metadata"].get("annotations") or {}).get(SENT_ANNOTATION) == word:
                return existing
            if existing is not None:
                raise _Taken(
                    f"A different job {name} already exists in namespace {namespace}. Send the cell "
                    "again: it gets another name."
                ) from error
            if wait is None:
                raise _Unknown(
                    f"It is unknown whether {name} was created: {error} Its Secrets were kept. Run "
                    f"`%trainjob list` when the cluster answers again; if {name} is not listed, send it again."
                ) from error
            time.sleep(wait)
    raise AssertionError


def _try(act: Callable[[], object]) -> None:
    """Run a clean-up step whose own error must not hide an earlier one; `orphans` deletes what is left."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever the library of a store raises
        _log.info("cleaning up after a failed submission failed: %s", error)
