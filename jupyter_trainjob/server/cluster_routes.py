"""Read clusters, namespaces, runtimes and capacity for the routes, without starting the embedded cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import NAMESPACES, NODES, PODS, TRAINJOBS, KubeObject
from jupyter_trainjob.client import context as contexts
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.doctor import examination
from jupyter_trainjob.client.spec import runtimes as choices
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import state_dir
from jupyter_trainjob.constants import DEFAULT_NAMESPACE, EMBEDDED_CONTEXT
from jupyter_trainjob.rendering.text import location

GPU_KIND: Final = re.compile(r".+/gpu\.product")
"""The label of a node with the model of its GPUs, as of NVIDIA's GPU feature discovery."""
UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of the pods whose requests count."""


def connect_without_starting(context: str | None) -> Connection:
    """Return a connection whose requests do not start a stopped embedded cluster."""
    connection = connect(context)
    return replace(connection, client=connection.watcher)


def find_job(context: str | None, namespace: str, name: str) -> TrainJob:
    """Return a job, without starting a stopped embedded cluster. Raises `errors.NotFound`."""
    trainjob = connect_without_starting(context).client.get(TRAINJOBS, name, namespace=namespace)
    return TrainJob(connect(context), trainjob)


def list_clusters(allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the embedded cluster and the contexts of the kubeconfig, without sending requests to them.

    Only `allowed` contexts are returned; empty means all. ``why`` is the error of an invalid kubeconfig, in which case
    only the embedded cluster is returned.
    """
    from jupyter_trainjob.kube import kubeconfig_file

    chosen, why, namespaces = contexts.chosen_context(), "", {}
    try:
        namespaces = kubeconfig_file.context_namespaces()
    except errors.UsageError as error:
        why = str(error)
    namespaces = {**namespaces, EMBEDDED_CONTEXT: DEFAULT_NAMESPACE}
    names = [EMBEDDED_CONTEXT, *(name for name in namespaces if name != EMBEDDED_CONTEXT)]
    return {
        "clusters": [
            _cluster_json(name, namespaces[name], chosen=name == chosen)
            for name in names
            if not allowed or name in allowed
        ],
        "why": why,
    }


def control_embedded(action: Any) -> dict[str, Any]:
    """Start or stop the embedded cluster, and return it."""
    if action == "start":
        launcher.ensure_daemon()
    elif action == "stop":
        launcher.stop()
    else:
        raise errors.UsageError(f"The embedded cluster can be started and stopped, not {action!r}.")
    return _cluster_json(EMBEDDED_CONTEXT, DEFAULT_NAMESPACE, chosen=contexts.chosen_context() == EMBEDDED_CONTEXT)


def list_namespaces(context: str | None) -> dict[str, Any]:
    """Return the names of the namespaces; if the user may not list them, only the context's, with the reason."""
    connection = connect_without_starting(context)
    try:
        names = [namespace["metadata"]["name"] for namespace in connection.client.list(NAMESPACES).items]
    except errors.Forbidden as error:
        own = namespace_for(connection)
        return {"namespaces": [own], "why": f"You may not list the namespaces of {connection.name}: {error.message}"}
    return {"namespaces": sorted(names), "why": ""}


def list_runtimes(context: str | None, namespace: str | None) -> dict[str, Any]:
    """Return the runtimes that jobs of a namespace can use."""
    runtimes = choices.runtimes_of(connect_without_starting(context), namespace)
    return {"runtimes": [asdict(runtime) for runtime in runtimes]}


def run_doctor(context: str | None, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the findings of `client.doctor`; if only some contexts are `allowed`, of the chosen one alone."""
    findings = examination.examine(context=context or (contexts.chosen_context() if allowed else None))
    return {
        "checks": [
            {"name": check.name, "level": check.verdict, "text": check.message, "remedy": check.remedy}
            for check in findings
        ]
    }


def read_capacity(context: str | None) -> dict[str, Any]:
    """Return the free and the total capacity of each node in cores, bytes and GPUs, or the reason if it is forbidden.

    Free is what no pod requests, as for a scheduler; ``unasked`` is the number of pods without CPU and memory requests.
    """
    connection = connect_without_starting(context)
    try:
        nodes = connection.client.list(NODES).items
        pods = connection.client.list(PODS, fields=UNFINISHED).items
    except errors.Forbidden as error:
        return {"nodes": [], "why": f"You may not see what is free on {connection.name}: {error.message}"}
    return {"nodes": [_node_capacity(node, pods) for node in nodes], "why": ""}


def _cluster_json(name: str, namespace: str, *, chosen: bool) -> dict[str, Any]:
    is_embedded = name == EMBEDDED_CONTEXT
    return {
        "name": name,
        "place": location(name),
        "embedded": is_embedded,
        "running": launcher.running_daemon(state_dir()) is not None if is_embedded else None,
        "namespace": namespace,
        "chosen": chosen,
    }


def _node_capacity(node: KubeObject, pods: Sequence[KubeObject]) -> dict[str, Any]:
    name = node["metadata"]["name"]
    status = node.get("status") or {}
    total = quantity.parse_amounts(status.get("allocatable"))
    requests = [quantity.pod_requests(pod["spec"]) for pod in pods if pod["spec"].get("nodeName") == name]
    used = quantity.sum_amounts(requests)
    gpus = [key for key in total if key.endswith("/gpu")]
    labels = node["metadata"].get("labels") or {}
    conditions = status.get("conditions") or ()
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def free_and_total(*keys: str) -> list[float]:
        capacity = sum((total.get(key, Fraction(0)) for key in keys), Fraction(0))
        requested = sum((used.get(key, Fraction(0)) for key in keys), Fraction(0))
        return [float(max(Fraction(0), capacity - requested)), float(capacity)]

    return {
        "name": name,
        "ready": ready and not node["spec"].get("unschedulable"),
        "cpu": free_and_total("cpu"),
        "memory": free_and_total("memory"),
        "gpus": free_and_total(*gpus),
        "unasked": sum(1 for request in requests if not request.get("cpu") and not request.get("memory")),
        "gpu": next((str(value) for key, value in labels.items() if GPU_KIND.fullmatch(key)), ""),
    }
