"""An API server for tests: a client, raw requests, and a namespace for each test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import CONFIGMAPS, KubeObject, Resource
from jupyter_trainjob.kube.client import MERGE_PATCH, Client
from jupyter_trainjob.kube.transport import Request, Transport
from tests.waiting import patience

JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Answer:
    """A response with any status."""

    status: int
    body: KubeObject


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
        """Send a raw request and return its response, also an error."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        response = self.transport.send(Request(method, path, query or {}, content, content_type), timeout=patience(60))
        text = response.read()
        try:
            parsed: Any = json.loads(text)
        except ValueError:
            parsed = {"text": text.decode(errors="replace")}
        return Answer(response.status, parsed)

    def path(self, resource: Resource, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection or object in the test's namespace."""
        return resource.path(self.namespace, name, subresource)

    def create(self, resource: Resource, obj: KubeObject) -> KubeObject:
        """Create `obj` in the test's namespace."""
        return self.client.create(resource, obj, namespace=self.namespace)

    def get(self, resource: Resource, name: str) -> KubeObject:
        """Return an object of the test's namespace."""
        return self.client.get(resource, name, namespace=self.namespace)

    def patch(self, resource: Resource, name: str, patch: KubeObject, *, subresource: str | None = None) -> KubeObject:
        """Merge `patch` into an object of the test's namespace."""
        return self.client.patch(resource, name, patch, namespace=self.namespace, subresource=subresource)

    def merge(self, resource: Resource, name: str, patch: KubeObject, *, subresource: str | None = None) -> Answer:
        """Send a merge patch and return its response, also an error."""
        return self.send("PATCH", self.path(resource, name, subresource), patch, content_type=MERGE_PATCH)

    def names(self, resource: Resource, *, labels: str | None = None, fields: str | None = None) -> list[str]:
        """Return the names in a list of the test's namespace, in its order."""
        listed = self.client.list(resource, namespace=self.namespace, labels=labels, fields=fields)
        return [obj["metadata"]["name"] for obj in listed.items]

    def configmap(self, name: str, *, labels: Mapping[str, str] | None = None, **data: str) -> KubeObject:
        """Create a ConfigMap."""
        return self.create(CONFIGMAPS, {"metadata": {"name": name, "labels": dict(labels or {})}, "data": data})


def pod(name: str, **metadata: Any) -> KubeObject:
    """Return the smallest valid Pod."""
    return {"metadata": {"name": name, **metadata}, "spec": {"containers": [{"name": "main", "image": "none"}]}}


def job(name: str, **spec: Any) -> KubeObject:
    """Return the smallest valid Job."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}
    return {"metadata": {"name": name}, "spec": {"template": template, **spec}}


def jobset(name: str, **spec: Any) -> KubeObject:
    """Return the smallest valid JobSet."""
    return {"metadata": {"name": name}, "spec": {"replicatedJobs": [{"name": "node", "template": job("")}], **spec}}


def trainjob(name: str, **spec: Any) -> KubeObject:
    """Return the smallest valid TrainJob."""
    return {"metadata": {"name": name}, "spec": {"runtimeRef": {"name": "torch-distributed"}, **spec}}
