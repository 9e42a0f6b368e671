"""The cluster as the tests of the reconcilers see it: objects to make, and what an agent would do with pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_trainjob.api.resources import EVENTS, JOBS, NODES, PODS, Object, Resource
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.informers import Informers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller

TIMEOUT = 60.0
NAMESPACE = "default"

Start = Callable[[Callable[[Client, Informers], Controller]], None]
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The API server, and helpers for the kinds that the reconcilers speak of."""

    client: Client

    def node(self, name: str = "this-computer", **allocatable: str) -> None:
        """Register a node; it has 8 processors and room for 110 pods if nothing else is said."""
        room = {"cpu": "8", "memory": "16Gi", "pods": "110", **allocatable}
        status = {"allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]}
        self.client.create(NODES, {"metadata": {"name": name}, "spec": {}})
        self.client.patch(NODES, name, {"status": status}, subresource="status")

    def job(self, name: str = "job", **spec: Any) -> Object:
        """Create a Job of one pod that is never tried again, if nothing else is said."""
        return self.client.create(JOBS, job(name, **spec))

    def pod(self, name: str, **spec: Any) -> Object:
        """Create a pod that nobody owns."""
        whole = {"containers": [{"name": "main", "image": "none"}], **spec}
        return self.client.create(PODS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": whole})

    def pods(self) -> list[Object]:
        """Return the pods, in the order of their names."""
        found = self.client.list(PODS, namespace=NAMESPACE).items
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def end(self, pod: Object, phase: str) -> None:
        """End a pod as the agent would: Succeeded or Failed."""
        ended = {"exitCode": int(phase == "Failed"), "finishedAt": timestamp()}
        status = {"phase": phase, "containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}
        self.client.patch(PODS, pod["metadata"]["name"], {"status": status}, namespace=NAMESPACE, subresource="status")

    def get(self, resource: Resource, name: str) -> Object:
        """Return an object of the namespace."""
        return self.client.get(resource, name, namespace=NAMESPACE)

    def exists(self, resource: Resource, name: str) -> bool:
        """Return whether an object of the namespace is there."""
        return self.client.find(resource, name, namespace=NAMESPACE) is not None

    def events(self, reason: str) -> list[str]:
        """Return the messages of the events with a reason."""
        found = self.client.list(EVENTS, namespace=NAMESPACE).items
        return [event["message"] for event in found if event["reason"] == reason]


def job(name: str = "job", **spec: Any) -> Object:
    """Return a Job of one pod that is never tried again, if nothing else is said."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
    whole = {"template": template, "backoffLimit": 0, **spec}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": whole}


def indexed(completions: int, **spec: Any) -> Object:
    """Return the spec of an Indexed Job that runs all its pods at once, if nothing else is said."""
    return {"completionMode": "Indexed", "completions": completions, "parallelism": completions, **spec}


def until(found: Callable[[], T | None], *, timeout: float = TIMEOUT) -> T:
    """Return what `found` returns as soon as that is true."""
    deadline = time.monotonic() + timeout
    while not (result := found()):
        assert time.monotonic() < deadline, f"still {result!r} after {timeout} s"
        time.sleep(0.002)
    return result
