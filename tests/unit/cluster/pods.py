"""Builders of pods, nodes and PodGroups for the scheduler's tests."""

from __future__ import annotations

from itertools import count
from typing import Any

from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.scheduler.pod_cache import PendingPod, PodCache

NOW = 1_800_000_000.0
_versions = count(1)


def node(name: str = "n", *, cpu: str = "8", **spec: Any) -> KubeObject:
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
) -> KubeObject:
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
) -> KubeObject:
    spec = {"minMember": least} if timeout is None else {"minMember": least, "scheduleTimeoutSeconds": timeout}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": timestamp(NOW - age)}
    return {"metadata": metadata, "spec": spec}


def cache(*pods: KubeObject) -> PodCache:
    pod_cache = PodCache()
    for new_pod in pods:
        pod_cache.observe(None, new_pod)
    return pod_cache


def waiting(*pods: KubeObject) -> list[PendingPod]:
    return cache(*pods).snapshot().pending
