"""An API server as the tests see it: a client, requests as they are, and a namespace of its own for each test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import CONFIGMAPS, Object, Resource
from jupyter_trainjob.kube.client import MERGE_PATCH, Client
from jupyter_trainjob.kube.transport import Request, Transport

JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: Object


@dataclass(frozen=True)
class Server:
    """One of the servers, with a fresh namespace."""

    name: str
    transport: Transport
    namespace: str
    kubeconfig: Path | None
    """None where there is no socket to connect to."""
    forget: Callable[[], str]
    """Make the server forget old changes of TrainJobs; returns a resourceVersion that it has forgotten."""

    @property
    def client(self) -> Client:
        """Return the client that the package itself uses."""
        return Client(self.transport)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send a request as it is and return the answer, error or not."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        response = self.transport.send(Request(method, path, query or {}, content, content_type), timeout=30)
        text = response.read()
        try:
            parsed: Any = json.loads(text)
        except ValueError:
            parsed = {"text": text.decode(errors="replace")}
        return Answer(response.status, parsed)

    def path(self, resource: Resource, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection or object in the test's namespace."""
        return resource.path(self.namespace, name, subresource)

    def create(self, resource: Resource, obj: Object) -> Object:
        """Create `obj` in the test's namespace."""
        return self.client.create(resource, obj, namespace=self.namespace)

    def get(self, resource: Resource, name: str) -> Object:
        """Return an object of the test's namespace."""
        return self.client.get(resource, name, namespace=self.namespace)

    def patch(self, resource: Resource, name: str, patch: Object, *, subresource: str | None = None) -> Object:
        """Merge `patch` into an object of the test's namespace."""
        return self.client.patch(resource, name, patch, namespace=self.namespace, subresource=subresource)

    def merge(self, resource: Resource, name: str, patch: Object, *, subresource: str | None = None) -> Answer:
        """Send a merge patch and return the answer, error or not."""
        return self.send("PATCH", self.path(resource, name, subresource), patch, content_type=MERGE_PATCH)

    def names(self, resource: Resource, *, labels: str | None = None, fields: str | None = None) -> list[str]:
        """Return the names that a list of the test's namespace has, in its order."""
        found = self.client.list(resource, namespace=self.namespace, labels=labels, fields=fields)
        return [each["metadata"]["name"] for each in found.items]

    def configmap(self, name: str, *, labels: Mapping[str, str] | None = None, **data: str) -> Object:
        """Create a ConfigMap: the plainest object that there is."""
        return self.create(CONFIGMAPS, {"metadata": {"name": name, "labels": dict(labels or {})}, "data": data})


def pod(name: str, **metadata: Any) -> Object:
    """Return the smallest valid Pod."""
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": [{"name": "main", "image": "none"}]}}


def job(name: str, **spec: Any) -> Object:
    """Return the smallest valid Job."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
    return {"metadata": {"name": name}, "spec": {"template": template, **spec}}


def jobset(name: str, **spec: Any) -> Object:
    """Return the smallest valid JobSet."""
    return {"metadata": {"name": name}, "spec": {"replicatedJobs": [{"name": "node", "template": job("")}], **spec}}


def trainjob(name: str, **spec: Any) -> Object:
    """Return the smallest valid TrainJob."""
    return {"metadata": {"name": name}, "spec": {"runtimeRef": {"name": "torch-distributed"}, **spec}}
