"""The TrainJob of what a user asks for: size, resources, deadline, restarts. Nothing is sent.

Comes from `submit`, with the address of a bundle, and from `fork`, with that of an older job; goes to `create`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api.names import suffix
from jupyter_trainjob.api.resources import NODES, TRAINJOBS, Object
from jupyter_trainjob.client import amounts, resources, retries, runtimes
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.constants import MANAGED_BY, MANAGED_BY_LABEL, RUNTIME_ANNOTATION, VARIABLE_ANNOTATION


@dataclass(frozen=True)
class Assembled:
    """A TrainJob that can be created."""

    trainjob: Object
    runtime: Object | None
    """The job's own copy of its runtime, where ``--retries`` needs one."""
    note: str
    """What may keep the job from running, where that is no error."""


def new_name(options: Options) -> str:
    """Return the name of a new job."""
    return f"{options.name.lower().replace('_', '-').strip('-') or 'job'}-{suffix()}"


def assemble(
    connection: Connection,
    options: Options,
    runtime: Object,
    *,
    name: str,
    namespace: str,
    command: Sequence[str],
    env: Sequence[Object],
    patches: Sequence[Object],
    annotations: Mapping[str, str] | None = None,
) -> Assembled:
    """Return the TrainJob `name`. Raises `errors.UsageError` for what can never run here."""
    trainer, note = sized(connection, options, runtime)
    copied = None
    noted = {VARIABLE_ANNOTATION: options.name, **(annotations or {})}
    if options.retries:
        copied = retries.own_copy(runtime, retries=options.retries, job=name, namespace=namespace)
        noted[RUNTIME_ANNOTATION] = options.runtime
    spec: Object = {
        "runtimeRef": {
            "apiGroup": TRAINJOBS.group,
            "kind": (copied or runtime)["kind"],
            "name": (copied or runtime)["metadata"]["name"],
        },
        "trainer": {**trainer, "command": [*command], "env": [*env]},
        "runtimePatches": [*patches],
    }
    if options.deadline is not None:
        spec["activeDeadlineSeconds"] = amounts.duration(options.deadline)
    trainjob: Object = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "annotations": noted,
        },
        "spec": spec,
    }
    return Assembled(trainjob, copied, note)


def sized(connection: Connection, options: Options, runtime: Object) -> tuple[Object, str]:
    """Return the trainer's size, resources and image, and what may keep it from running.

    Where no node can ever take it, that is an error on this computer; a real cluster may grow, so there it is a note.
    """
    trainer: Object = {"numNodes": options.nodes}
    nodes = _nodes(connection) if options.gpus or options.cpus is not None or options.memory is not None else None
    container = runtimes.trainer_container(runtime).get("resources") or {}
    ask = resources.ask(options, runtime=runtime, trainer=container, nodes=nodes)
    if options.image is not None:
        trainer["image"] = options.image
    if ask.resources is not None:
        trainer["resourcesPerNode"] = ask.resources
    if ask.procs_per_node is not None:
        trainer["numProcPerNode"] = ask.procs_per_node
    where = "this computer" if connection.embedded else connection.name
    note = resources.misfit(
        ask.resources, count=options.nodes, nodes=nodes or (), where=where, shared=connection.embedded
    )
    if note and connection.embedded:
        raise errors.UsageError(f"{note} Nothing was sent.")
    return trainer, f"{note} Until the cluster grows, the job waits." if note else ""


def _nodes(connection: Connection) -> list[Object] | None:
    """Return the nodes of the cluster; None where the right to list them is missing, as it often is."""
    try:
        return connection.client.list(NODES).items
    except errors.Forbidden:
        return None
