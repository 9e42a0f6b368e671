"""A client of the Kubernetes API over plain dicts, through any `Transport`.

Errors are subclasses of `errors.ApiError` by status; writes are create, JSON merge patch and delete, which every server
supports. Objects are returned as the server sent them, apart from ``kind`` and ``apiVersion``, which Kubernetes leaves
out of list items.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import PODS, KubeObject, Resource
from jupyter_trainjob.kube.transport import Request, Response, Transport

MERGE_PATCH = "application/merge-patch+json"
DEFAULT_TIMEOUT = 30.0
WATCH_GRACE = 15.0
"""Seconds after its end by which a watch must have ended: later than that its connection is broken."""


class ObjectList(NamedTuple):
    """The result of a list call: the items, and the resource version to start a watch from."""

    items: list[KubeObject]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change of an object: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``, with the object after it."""

    type: str
    object: KubeObject


class Watch:
    """A running watch; iterate it. Raises `errors.Expired` if its resource version is too old: list again then."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[WatchEvent]:
        for line in iter_lines(self._response):
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise errors.ApiError.of(int(event["object"].get("code") or 500), event["object"])
            yield WatchEvent(event["type"], event["object"])

    def close(self) -> None:
        """End the watch, from any thread."""
        self._response.close()


class LogStream:
    """Lines of a pod's log as bytes, without line ends; ends with the log, or never if it follows."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return iter_lines(self._response)

    def close(self) -> None:
        """End the stream, from any thread."""
        self._response.close()


class Client:
    """The verbs of one API server. Thread-safe if its transport is."""

    def __init__(self, transport: Transport, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._transport = transport
        self._timeout = timeout

    def get(self, resource: Resource, name: str, *, namespace: str | None = None) -> KubeObject:
        """Return one object; `errors.NotFound` if there is none."""
        return self._object(Request("GET", resource.path(namespace, name)))

    def find(self, resource: Resource, name: str, *, namespace: str | None = None) -> KubeObject | None:
        """Return one object, or None."""
        try:
            return self.get(resource, name, namespace=namespace)
        except errors.NotFound:
            return None

    def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> ObjectList:
        """Return all objects of a namespace (None: all namespaces), filtered by selectors, in one consistent view."""
        query = _query(labelSelector=labels, fieldSelector=fields)
        body = self._object(Request("GET", resource.path(namespace), query))
        items = body.get("items") or []
        for item in items:
            item.setdefault("kind", resource.kind)
            item.setdefault("apiVersion", resource.api_version)
        return ObjectList(items, body["metadata"]["resourceVersion"])

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        timeout_seconds: int | None = None,
    ) -> Watch:
        """Return the changes after `resource_version`; `timeout_seconds` is the server's limit for the watch."""
        query = _query(
            labelSelector=labels,
            fieldSelector=fields,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            timeoutSeconds=timeout_seconds,
        )
        silence = None if timeout_seconds is None else timeout_seconds + WATCH_GRACE
        request = Request("GET", resource.path(namespace), query, stream=True, longest_silence=silence)
        return Watch(self._send(request))

    def create(self, resource: Resource, obj: KubeObject, *, namespace: str | None = None) -> KubeObject:
        """Create `obj` and return it as stored; `errors.AlreadyExists` if its name is taken."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        namespace = namespace or obj["metadata"].get("namespace")
        return self._object(Request("POST", resource.path(namespace), {}, _json(body)))

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: KubeObject,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> KubeObject:
        """Apply a JSON merge patch and return the object.

        A ``metadata.resourceVersion`` in `patch` makes it conditional: `errors.Conflict` if the object has changed.
        """
        path = resource.path(namespace, name, subresource)
        return self._object(Request("PATCH", path, {}, _json(patch), content_type=MERGE_PATCH))

    def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        uid: str | None = None,
    ) -> None:
        """Delete one object and, by `propagation`, what it owns; `errors.NotFound` if there is none."""
        options: KubeObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        self._object(Request("DELETE", resource.path(namespace, name), {}, _json(options)))

    def logs(
        self,
        pod: str,
        *,
        namespace: str,
        container: str | None = None,
        follow: bool = False,
        timestamps: bool = False,
        tail_lines: int | None = None,
        since_time: str | None = None,
        previous: bool = False,
    ) -> LogStream:
        """Return the lines of a pod's log."""
        query = _query(
            container=container,
            follow="true" if follow else None,
            timestamps="true" if timestamps else None,
            tailLines=tail_lines,
            sinceTime=since_time,
            previous="true" if previous else None,
        )
        request = Request("GET", PODS.path(namespace, pod, "log"), query, accept="*/*", stream=True)
        return LogStream(self._send(request))

    def raw(self, request: Request) -> Response:
        """Send any request (version, discovery); error statuses raise as in the other methods."""
        return self._send(request)

    def _object(self, request: Request) -> KubeObject:
        body: KubeObject = json.loads(self._send(request).read())
        return body

    def _send(self, request: Request) -> Response:
        response = self._transport.send(request, timeout=self._timeout)
        if response.status >= 400:
            raise errors.ApiError.of(response.status, _status(response))
        return response


def iter_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a chunked body, without their ends; a last line without an end counts."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _status(response: Response) -> KubeObject:
    body = response.read()
    try:
        status = json.loads(body)
    except ValueError:
        status = {}
    if isinstance(status, dict) and status.get("kind") == "Status":
        return status
    return {"code": response.status, "message": body.decode(errors="replace").strip() or f"HTTP {response.status}"}


def _json(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def _query(**values: Any) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if value is not None}
