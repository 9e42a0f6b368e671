"""Which clusters there are, and what one may choose on them. Looking starts no embedded cluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import NAMESPACES, NODES, PODS, TRAINJOBS, Object
from jupyter_trainjob.client import context as contexts
from jupyter_trainjob.client import doctor as checks
from jupyter_trainjob.client import runtimes as choices
from jupyter_trainjob.client.context import Connection, connect, namespace_for
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.constants import DEFAULT_NAMESPACE, EMBEDDED_CONTEXT
from jupyter_trainjob.widget.text import place

GPU_KIND: Final = re.compile(r".+/gpu\.product")
"""The label by which nodes say which GPUs they have."""
UNFINISHED: Final = "status.phase!=Succeeded,status.phase!=Failed"
"""Pods that hold what they asked for."""


def watched(context: str | None) -> Connection:
    """Return a connection whose requests do not start what somebody has stopped."""
    found = connect(context)
    return replace(found, client=found.watcher)


def job(context: str | None, namespace: str, name: str) -> TrainJob:
    """Return a job, without starting what somebody has stopped. Raises `errors.NotFound`."""
    trainjob = watched(context).client.get(TRAINJOBS, name, namespace=namespace)
    return TrainJob(connect(context), trainjob)


def known(allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the clusters that there are, of those that are `allowed`, all if none is named; none is asked.

    A kubeconfig that cannot be read takes nothing from the embedded one: ``why`` says what is wrong with it.
    """
    from jupyter_trainjob.kube import config

    chosen, why, found = contexts.chosen(), "", {}
    try:
        found = config.namespaces()
    except errors.UsageError as error:
        why = str(error)
    found = {EMBEDDED_CONTEXT: DEFAULT_NAMESPACE, **{each: found[each] for each in found if each != EMBEDDED_CONTEXT}}
    names = [name for name in found if not allowed or name in allowed]
    return {"clusters": [_described(name, found[name], chosen=name == chosen) for name in names], "why": why}


def embedded(do: Any) -> dict[str, Any]:
    """Start or stop the embedded cluster, and return it."""
    if do == "start":
        launch.ensure()
    elif do == "stop":
        launch.stop()
    else:
        raise errors.UsageError(f"The embedded cluster can be started and stopped, not {do!r}.")
    return _described(EMBEDDED_CONTEXT, DEFAULT_NAMESPACE, chosen=contexts.chosen() == EMBEDDED_CONTEXT)


def namespaces(context: str | None) -> dict[str, Any]:
    """Return the namespaces that one may list, and why they are not all."""
    connection = watched(context)
    own = namespace_for(connection)
    try:
        names = [each["metadata"]["name"] for each in connection.client.list(NAMESPACES).items]
    except errors.Forbidden as error:
        return {"namespaces": [own], "why": f"You may not list the namespaces of {connection.name}: {error.message}"}
    return {"namespaces": sorted({own, *names}), "why": ""}


def runtimes(context: str | None, namespace: str | None) -> dict[str, Any]:
    """Return the runtimes that jobs of a namespace can choose."""
    found = choices.listed(watched(context), namespace)
    return {"runtimes": [asdict(each) for each in found]}


def doctor(context: str | None, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return what `client.doctor` finds; where not all contexts are `allowed`, the chosen one stands for all."""
    found = checks.examine(context=context or (contexts.chosen() if allowed else None))
    return {
        "checks": [
            {"name": each.name, "level": each.verdict, "text": each.what, "remedy": each.what_to_do} for each in found
        ]
    }


def capacity(context: str | None) -> dict[str, Any]:
    """Return what each node has and what of it is free, in cores, bytes and GPUs; where that may not be seen, why.

    Free is what no pod has asked for, as schedulers see it; ``unasked``: how many pods there asked for nothing.
    """
    connection = watched(context)
    try:
        nodes = connection.client.list(NODES).items
        pods = connection.client.list(PODS, fields=UNFINISHED).items
    except errors.Forbidden as error:
        return {"nodes": [], "why": f"You may not see what is free on {connection.name}: {error.message}"}
    return {"nodes": [_room(node, pods) for node in nodes], "why": ""}


def _described(name: str, namespace: str, *, chosen: bool) -> dict[str, Any]:
    is_embedded = name == EMBEDDED_CONTEXT
    return {
        "name": name,
        "place": place(name),
        "embedded": is_embedded,
        "running": launch.running(state_dir()) is not None if is_embedded else None,
        "namespace": namespace,
        "chosen": chosen,
    }


def _room(node: Object, pods: Sequence[Object]) -> dict[str, Any]:
    name = node["metadata"]["name"]
    status = node.get("status") or {}
    total = quantity.amounts(status.get("allocatable"))
    asked = [quantity.pod_requests(pod["spec"]) for pod in pods if pod["spec"].get("nodeName") == name]
    used = quantity.total(asked)
    gpus = [key for key in total if key.endswith("/gpu")]
    labels = node["metadata"].get("labels") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())

    def room(*keys: str) -> list[float]:
        whole = sum((total.get(key, Fraction(0)) for key in keys), Fraction(0))
        taken = sum((used.get(key, Fraction(0)) for key in keys), Fraction(0))
        return [float(max(Fraction(0), whole - taken)), float(whole)]

    return {
        "name": name,
        "ready": ready and not node["spec"].get("unschedulable"),
        "cpu": room("cpu"),
        "memory": room("memory"),
        "gpus": room(*gpus),
        "unasked": sum(1 for each in asked if not any(each.values())),
        "gpu": next((str(value) for key, value in labels.items() if GPU_KIND.fullmatch(key)), ""),
    }
