"""List and choose the runtimes of a cluster, without the copies made for single jobs."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_trainjob import errors
from jupyter_trainjob.api import container_resources
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAININGRUNTIMES, KubeObject
from jupyter_trainjob.bundle.delivery import trainer_job_name
from jupyter_trainjob.client import namespaces
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.spec import runtime_copy
from jupyter_trainjob.constants import (
    FRAMEWORK_LABEL,
    NODE_CONTAINER,
    PACKAGES_ANNOTATION,
    PYTHON_VERSION_ANNOTATION,
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime that a job can choose with ``--runtime``."""

    name: str
    kind: str
    """``ClusterTrainingRuntime``, or ``TrainingRuntime`` for one of the namespace alone."""
    framework: str
    nodes: int
    """Nodes of a job that does not set a number."""
    image: str
    gpus: int = 0
    """GPUs of each node that the runtime itself requests."""
    python: str = ""
    """Python version by the runtime's annotation; empty without one."""
    packages: tuple[str, ...] = ()
    """The packages, as ``name==version``."""


def list_runtimes(*, context: str | None = None, namespace: str | None = None) -> list[Runtime]:
    """Return the runtimes that jobs of a namespace can choose, sorted by name.

    `context` and `namespace` default to the chosen ones, see `use`. Each has ``name``, ``kind``, ``framework``,
    ``nodes`` (of a job that asks for no number), ``image``, ``gpus`` (of each node), ``python`` and ``packages``.
    """
    return runtimes_of(connect(context), namespace)


def runtimes_of(connection: Connection, namespace: str | None = None) -> list[Runtime]:
    """Return the runtimes of one cluster, sorted by name."""
    available = _all(connection, namespace_for(connection, namespace))
    if namespace and not any(runtime["metadata"].get("namespace") for runtime in available):
        namespaces.check_namespace_exists(connection, namespace)
    return sorted((_described(runtime) for runtime in available), key=lambda runtime: (runtime.name, runtime.kind))


def find_runtime(connection: Connection, name: str, namespace: str) -> KubeObject:
    """Return the runtime called `name`, the cluster's before the namespace's; raise `errors.UsageError` without one."""
    client = connection.client
    runtime = client.find(CLUSTERTRAININGRUNTIMES, name) or client.find(TRAININGRUNTIMES, name, namespace=namespace)
    if runtime is not None:
        return runtime
    known = sorted(runtime["metadata"]["name"] for runtime in _all(connection, namespace))
    raise errors.UsageError(
        f"There is no runtime {name!r} on {connection.location}.{errors.did_you_mean(name, known)}"
        f"{errors.listed(name, known, rest=' (`trainjob runtimes` shows all)') or ' The cluster has no runtimes.'}"
    )


def trainer_container(runtime: KubeObject) -> KubeObject:
    """Return the trainer container; empty if the runtime has none of that name."""
    name = trainer_job_name(runtime)
    for job in runtime["spec"]["template"]["spec"].get("replicatedJobs") or ():
        if job["name"] == name:
            for container in job["template"]["spec"]["template"]["spec"].get("containers") or ():
                if container["name"] == NODE_CONTAINER:
                    return dict(container)
    return {}


def _all(connection: Connection, namespace: str) -> list[KubeObject]:
    client = connection.client
    mine = client.list(TRAININGRUNTIMES, namespace=namespace).items
    return [
        *client.list(CLUSTERTRAININGRUNTIMES).items,
        *(runtime for runtime in mine if not runtime_copy.is_copy(runtime)),
    ]


def _described(runtime: KubeObject) -> Runtime:
    trainer, annotations = trainer_container(runtime), runtime["metadata"].get("annotations") or {}
    return Runtime(
        name=runtime["metadata"]["name"],
        kind=runtime["kind"],
        framework=(runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL, ""),
        nodes=int((runtime["spec"].get("mlPolicy") or {}).get("numNodes") or 1),
        image=trainer.get("image", ""),
        gpus=container_resources.gpu_count(trainer.get("resources") or {}),
        python=str(annotations.get(PYTHON_VERSION_ANNOTATION, "")),
        packages=tuple(str(annotations.get(PACKAGES_ANNOTATION, "")).replace(",", " ").split()),
    )
