"""Build the TrainJob from options: size, resources, deadline, restarts. Sends nothing.

`submit` calls it with a new bundle, and `fork` with that of an older job; `create` sends the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import NODES, TRAINJOBS, KubeObject
from jupyter_trainjob.api.schemas.omitempty import omit_empty
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec import resource_requests, runtime_copy, runtimes
from jupyter_trainjob.client.spec.options import JobOptions, write_options
from jupyter_trainjob.constants import (
    LOCAL_RANKS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NODE_PODS,
    RUNTIME_ANNOTATION,
    VARIABLE_ANNOTATION,
)


@dataclass(frozen=True)
class Assembled:
    """A TrainJob that can be created."""

    trainjob: KubeObject
    runtime: KubeObject | None
    """The job's own copy of its runtime, where ``--retries`` needs one."""
    note: str
    """A warning about an obstacle that may be temporary; may be empty."""


def assemble(
    connection: Connection,
    options: JobOptions,
    runtime: KubeObject,
    *,
    name: str,
    namespace: str,
    command: Sequence[str],
    env: Sequence[KubeObject],
    patches: Sequence[KubeObject],
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Assembled:
    """Return the TrainJob `name`. Raises `errors.UsageError` for a job that can never run on this cluster."""
    trainer, note = size_trainer(connection, options, runtime)
    copied = None
    noted = {VARIABLE_ANNOTATION: options["name"], **(annotations or {})}
    if options["retries"]:
        copied = runtime_copy.own_copy(runtime, retries=options["retries"], job=name, namespace=namespace)
        noted[RUNTIME_ANNOTATION] = options["runtime"]
    spec: KubeObject = {
        "runtimeRef": {
            "apiGroup": TRAINJOBS.group,
            "kind": (copied or runtime)["kind"],
            "name": (copied or runtime)["metadata"]["name"],
        },
        "trainer": {**trainer, "command": [*command], "env": [*env]},
        "runtimePatches": [*patches],
    }
    trainjob: KubeObject = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**(labels or {}), MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": noted,
        },
        "spec": spec,
    }
    write_options(trainjob, options)
    return Assembled(omit_empty(trainjob), copied, note)


def size_trainer(connection: Connection, options: JobOptions, runtime: KubeObject) -> tuple[KubeObject, str]:
    """Return the trainer's resources and processes, and a note on what may keep it from running.

    A job that fits no node is an error on the embedded cluster, and a note on a real cluster, which may grow.
    """
    if connection.embedded and options["nodes"] > NODE_PODS:
        raise errors.UsageError(
            f"{options['nodes']:,} nodes are too many for this computer, which runs at most {NODE_PODS} at a time. Ask "
            "for fewer, or choose another cluster with --context. Nothing was sent."
        )
    ranks = options["nodes"] * (options["procs_per_node"] or 1)
    if connection.embedded and ranks > LOCAL_RANKS:
        raise errors.UsageError(
            f"{ranks:,} ranks are too many for this computer: at most {LOCAL_RANKS:,} processes can belong to a job. "
            "Ask for fewer, or choose another cluster with --context. Nothing was sent."
        )
    trainer: KubeObject = {}
    nodes = (
        _nodes(connection) if options["gpus"] or options["cpus"] is not None or options["memory"] is not None else None
    )
    container = runtimes.trainer_container(runtime).get("resources") or {}
    ask = resource_requests.request_resources(options, runtime=runtime, trainer=container, nodes=nodes)
    if ask.resources is not None:
        trainer["resourcesPerNode"] = ask.resources
    if ask.procs_per_node is not None:
        trainer["numProcPerNode"] = ask.procs_per_node
    note = resource_requests.no_fit_reason(
        ask.resources, count=options["nodes"], nodes=nodes or (), where=connection.location, shared=connection.embedded
    )
    if note and connection.embedded:
        raise errors.UsageError(f"{note} Nothing was sent.")
    return trainer, f"{note} Until the cluster grows, the job waits." if note else ""


def _nodes(connection: Connection) -> list[KubeObject] | None:
    """Return the nodes of the cluster; None without the permission to list them."""
    try:
        return connection.client.list(NODES).items
    except errors.Forbidden:
        return None
