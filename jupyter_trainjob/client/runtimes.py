"""Which runtimes a cluster has: to choose one, to be told of all, to list them. Copies of single jobs are left out."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAININGRUNTIMES, Object
from jupyter_trainjob.bundle.delivery import trainer_job
from jupyter_trainjob.client import retries
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.constants import (
    FRAMEWORK_LABEL,
    NODE_CONTAINER,
    PACKAGES_ANNOTATION,
    PYTHON_VERSION_ANNOTATION,
)
from jupyter_trainjob.controller.framework import resources


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that a job can choose with ``--runtime``."""

    name: str
    kind: str
    """``ClusterTrainingRuntime``, or ``TrainingRuntime`` for one of the namespace alone."""
    framework: str
    nodes: int
    """How many nodes a job gets that asks for no number."""
    image: str
    gpus: int = 0
    """Of each node, where the runtime asks for any itself."""
    python: str = ""
    """As the runtime states it; empty where it states nothing."""
    packages: tuple[str, ...] = ()
    """As ``name==version``."""


def list_runtimes(*, context: str | None = None, namespace: str | None = None) -> list[Runtime]:
    """Return the runtimes that jobs of a namespace can choose, by name."""
    return listed(connect(context), namespace)


def listed(connection: Connection, namespace: str | None = None) -> list[Runtime]:
    """Return the same of a cluster that is connected to."""
    found = _all(connection, namespace_for(connection, namespace))
    return sorted((_described(runtime) for runtime in found), key=lambda runtime: (runtime.name, runtime.kind))


def find(connection: Connection, name: str, namespace: str) -> Object:
    """Return the runtime called `name`, the cluster's before the namespace's; else `errors.UsageError` names all."""
    client = connection.client
    found = client.find(CLUSTERTRAININGRUNTIMES, name) or client.find(TRAININGRUNTIMES, name, namespace=namespace)
    if found is not None:
        return found
    there = ", ".join(sorted(runtime["metadata"]["name"] for runtime in _all(connection, namespace))) or "none at all"
    raise errors.UsageError(f"There is no runtime {name!r} on {connection.name}. There is: {there}.")


def trainer_container(runtime: Object) -> Object:
    """Return the container that trains; empty if the runtime has none of that name."""
    name = trainer_job(runtime)
    for job in runtime["spec"]["template"]["spec"].get("replicatedJobs") or ():
        if job["name"] == name:
            for container in job["template"]["spec"]["template"]["spec"].get("containers") or ():
                if container["name"] == NODE_CONTAINER:
                    return dict(container)
    return {}


def _all(connection: Connection, namespace: str) -> list[Object]:
    client = connection.client
    mine = client.list(TRAININGRUNTIMES, namespace=namespace).items
    return [*client.list(CLUSTERTRAININGRUNTIMES).items, *(each for each in mine if not retries.is_copy(each))]


def _described(runtime: Object) -> Runtime:
    trainer, annotations = trainer_container(runtime), runtime["metadata"].get("annotations") or {}
    return Runtime(
        name=runtime["metadata"]["name"],
        kind=runtime["kind"],
        framework=(runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL, ""),
        nodes=int((runtime["spec"].get("mlPolicy") or {}).get("numNodes") or 1),
        image=trainer.get("image", ""),
        gpus=resources.gpus(trainer.get("resources") or {}),
        python=str(annotations.get(PYTHON_VERSION_ANNOTATION, "")),
        packages=tuple(str(annotations.get(PACKAGES_ANNOTATION, "")).replace(",", " ").split()),
    )
