"""Test helper for controllers: creates objects in an API server and plays the agent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_trainjob.api.resources import EVENTS, JOBS, NODES, PODS, KubeObject, Resource
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.shared_informers import SharedInformers
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.controller import Controller

TIMEOUT = 60.0
NAMESPACE = "default"

Start = Callable[[Callable[[Client, SharedInformers], Controller]], None]
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A client, with helpers for the kinds that the controllers handle."""

    client: Client

    def node(self, name: str = "this-computer", **allocatable: str) -> None:
        """Register a node, by default with 8 CPUs and 110 pods."""
        resources = {"cpu": "8", "memory": "16Gi", "pods": "110", **allocatable}
        status = {"allocatable": resources, "conditions": [{"type": "Ready", "status": "True"}]}
        self.client.create(NODES, {"metadata": {"name": name}, "spec": {}})
        self.client.patch(NODES, name, {"status": status}, subresource="status")

    def job(self, name: str = "job", **spec: Any) -> KubeObject:
        """Create a Job, by default of one pod without retries."""
        return self.client.create(JOBS, job(name, **spec))

    def pod(self, name: str, **spec: Any) -> KubeObject:
        """Create a pod without an owner."""
        pod_spec = {"containers": [{"name": "main", "image": "none"}], **spec}
        return self.client.create(PODS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": pod_spec})

    def pods(self) -> list[KubeObject]:
        """Return the pods, in the order of their names."""
        pods = self.client.list(PODS, namespace=NAMESPACE).items
        return sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))

    def end(self, pod: KubeObject, phase: str) -> None:
        """Set the phase of a pod to Succeeded or Failed, as the agent would."""
        ended = {"exitCode": int(phase == "Failed"), "finishedAt": timestamp()}
        status = {"phase": phase, "containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}
        self.client.patch(PODS, pod["metadata"]["name"], {"status": status}, namespace=NAMESPACE, subresource="status")

    def get(self, resource: Resource, name: str) -> KubeObject:
        """Return an object of the namespace."""
        return self.client.get(resource, name, namespace=NAMESPACE)

    def exists(self, resource: Resource, name: str) -> bool:
        """Return whether an object of the namespace exists."""
        return self.client.find(resource, name, namespace=NAMESPACE) is not None

    def events(self, reason: str) -> list[str]:
        """Return the messages of the events with a reason."""
        events = self.client.list(EVENTS, namespace=NAMESPACE).items
        return [event["message"] for event in events if event["reason"] == reason]


def job(name: str = "job", **spec: Any) -> KubeObject:
    """Return a Job, by default of one pod without retries."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
    job_spec = {"template": template, "backoffLimit": 0, **spec}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": job_spec}


def indexed(completions: int, **spec: Any) -> KubeObject:
    """Return the spec of an Indexed Job, by default with all pods in parallel."""
    return {"completionMode": "Indexed", "completions": completions, "parallelism": completions, **spec}


def until(probe: Callable[[], T | None], *, timeout: float = TIMEOUT) -> T:
    """Return the first truthy result of `probe`; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (result := probe()):
        assert time.monotonic() < deadline, f"still {result!r} after {timeout} s"
        time.sleep(0.002)
    return result
