"""From a cell or a function to a TrainJob: capture, pack, deliver, create, in that order.

Secrets first, then the TrainJob, then the Secrets' owner: a submit that dies in between leaves Secrets without an
owner, which the next submit sweeps.
"""

from __future__ import annotations

import keyword
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.names import SUFFIX_LENGTH, suffix
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    SECRETS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    Object,
    owner_reference,
)
from jupyter_trainjob.bundle.archive import archive
from jupyter_trainjob.bundle.capture import Capture, capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import Delivery, deliver
from jupyter_trainjob.client import cells, leftovers
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import (
    DEFAULT_RUNTIME,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    VARIABLE_ANNOTATION,
)

MAX_NAME = 40
"""JobSet derives names from the job's and refuses what grows beyond 63 characters."""
LONGEST_NAME = MAX_NAME - SUFFIX_LENGTH - 1
"""Of what a user chooses: a dash and a suffix follow."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may ask for, checked when it is made; raises `errors.UsageError`."""

    name: str = "job"
    nodes: int = 1
    runtime: str = DEFAULT_RUNTIME
    env: Mapping[str, str] = field(default_factory=dict)
    out: Sequence[str] = ()
    context: str | None = None
    namespace: str | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name) or not self.name.isascii():
            raise errors.UsageError(
                f"{self.name!r} cannot be the name of a job: it becomes a notebook variable, so it must be a Python "
                f"identifier of ASCII letters, digits and underscores, such as {_identifier(self.name)!r}."
            )
        if len(self.name) > LONGEST_NAME:
            raise errors.UsageError(
                f"{self.name!r} is too long for the name of a job: at most {LONGEST_NAME} characters, since "
                f"Kubernetes derives longer names from it."
            )
        if isinstance(self.nodes, bool) or not isinstance(self.nodes, int) or self.nodes < 1:
            raise errors.UsageError(f"nodes must be a whole number of at least 1, not {self.nodes!r}.")
        for key in self.env:
            if not key or "=" in key or "\0" in key:
                raise errors.UsageError(f"{key!r} cannot be the name of an environment variable.")


@dataclass(frozen=True)
class Prepared:
    """A job as it would be sent, with nothing sent yet: what ``--dry-run`` shows."""

    connection: Connection
    capture: Capture
    delivery: Delivery
    trainjob: Object


def submit(
    fn: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    nodes: int = 1,
    runtime: str = DEFAULT_RUNTIME,
    env: Mapping[str, str] | None = None,
    context: str | None = None,
    namespace: str | None = None,
) -> TrainJob:
    """Run ``fn(*args, **kwargs)`` on every rank of a new job and return its handle at once.

    ``job.result()`` is what `fn` returned on rank 0. The function travels by value with everything that it uses.
    Raises `errors.UsageError` before anything is sent if the request is wrong or a value cannot travel.
    """
    options = Options(
        name=name or _identifier(getattr(fn, "__name__", "job")),
        nodes=nodes,
        runtime=runtime,
        env=dict(env or {}),
        context=context,
        namespace=namespace,
    )
    return send(prepare(capture_function(fn, args, dict(kwargs or {}), cells=cells.names()), options))


def prepare_cell(source: str, variables: dict[str, Any], *, filename: str, options: Options) -> Prepared:
    """Pack a cell with the notebook's `variables` that it uses, and make its TrainJob, without sending anything.

    `filename` is what tracebacks call the cell.
    """
    capture = capture_cell(source, variables, filename=filename, out=options.out, cells=cells.names())
    return prepare(capture, options)


def prepare(capture: Capture, options: Options) -> Prepared:
    """Make the Secrets and the TrainJob that carry `capture`, without sending anything."""
    connection = connect(options.context)
    namespace = namespace_for(connection, options.namespace)
    runtime = _runtime(connection, options.runtime, namespace)
    name = f"{options.name.lower().replace('_', '-').strip('-') or 'job'}-{suffix()}"
    key = secrets.token_bytes(32)
    delivery = deliver(
        capture,
        job_archive=archive(capture, key=key, job=name, compiled=connection.embedded),
        key=key,
        name=name,
        namespace=namespace,
        runtime=runtime,
        captures_dir=state_dir().captures / namespace / name if connection.embedded else None,
        python=sys.executable if connection.embedded else None,
        working_dir=os.getcwd() if connection.embedded else None,  # noqa: PTH109 - as the kernel sees it
        env=options.env,
    )
    trainjob: Object = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": {VARIABLE_ANNOTATION: options.name},
        },
        "spec": {
            "runtimeRef": {
                "apiGroup": TRAINJOBS.group,
                "kind": runtime["kind"],
                "name": options.runtime,
            },
            "trainer": {"numNodes": options.nodes, "command": delivery.command, "env": delivery.env},
            "runtimePatches": [delivery.patch],
        },
    }
    return Prepared(connection, capture, delivery, trainjob)


def send(prepared: Prepared) -> TrainJob:
    """Create everything and return the handle of the job. What was created goes again if the TrainJob is refused."""
    client, trainjob = prepared.connection.client, prepared.trainjob
    namespace = trainjob["metadata"]["namespace"]
    prepared.delivery.write_files()
    created: list[str] = []
    try:
        for secret in prepared.delivery.secrets:
            client.create(SECRETS, secret)
            created.append(secret["metadata"]["name"])
        stored = client.create(TRAINJOBS, trainjob)
    except errors.TrainJobError:
        for name in created:
            client.delete(SECRETS, name, namespace=namespace)
        prepared.delivery.remove_files()
        raise
    owner = {"metadata": {"ownerReferences": [owner_reference(stored, controller=False)]}}
    for name in created:
        client.patch(SECRETS, name, owner, namespace=namespace)
    leftovers.sweep(prepared.connection, namespace)
    return TrainJob(prepared.connection, stored)


def _runtime(connection: Connection, name: str, namespace: str) -> Object:
    client = connection.client
    found = client.find(CLUSTERTRAININGRUNTIMES, name) or client.find(TRAININGRUNTIMES, name, namespace=namespace)
    if found is not None:
        return found
    names = [runtime["metadata"]["name"] for runtime in client.list(CLUSTERTRAININGRUNTIMES).items]
    names += [runtime["metadata"]["name"] for runtime in client.list(TRAININGRUNTIMES, namespace=namespace).items]
    there = ", ".join(sorted(names)) or "none at all"
    raise errors.UsageError(f"There is no runtime {name!r} on {connection.name}. There is: {there}.")


def _identifier(text: str) -> str:
    cleaned = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text).strip("_") or "job"
    cleaned = cleaned if not cleaned[0].isdigit() else f"job_{cleaned}"
    cleaned = f"{cleaned}_" if keyword.iskeyword(cleaned) else cleaned
    return cleaned[:LONGEST_NAME]
