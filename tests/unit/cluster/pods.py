"""Pods as the API server would hand them to the scheduler, and what the scheduler makes of them."""

from __future__ import annotations

from itertools import count
from typing import Any

from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.podcache import PodCache, Waiting

NOW = 1_800_000_000.0
_versions = count(1)


def node(name: str = "n", *, cpu: str = "8", **spec: Any) -> Object:
    allocatable = {"cpu": cpu, "memory": "16Gi", "pods": "110"}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": {}}, "spec": spec, "status": status}


def pod(
    name: str,
    *,
    cpu: str = "1",
    namespace: str = "a",
    group: str = "",
    waited: float = 0.0,
    on: str = "",
    phase: str = "Pending",
    **spec: Any,
) -> Object:
    container = {"name": "main", "resources": {"requests": {"cpu": cpu}}}
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"{namespace}/{name}",
        "creationTimestamp": timestamp(NOW - waited),
        "resourceVersion": str(next(_versions)),
        "labels": {LABEL: group} if group else {},
    }
    if on:
        spec["nodeName"] = on
    return {"metadata": metadata, "spec": {"containers": [container], **spec}, "status": {"phase": phase}}


def group(
    name: str = "g", *, namespace: str = "a", least: int = 2, timeout: int | None = None, age: float = 0
) -> Object:
    spec = {"minMember": least} if timeout is None else {"minMember": least, "scheduleTimeoutSeconds": timeout}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": timestamp(NOW - age)}
    return {"metadata": metadata, "spec": spec}


def cache(*pods: Object) -> PodCache:
    made = PodCache()
    for each in pods:
        made.see(None, each)
    return made


def waiting(*pods: Object) -> list[Waiting]:
    return cache(*pods).snapshot().waiting
