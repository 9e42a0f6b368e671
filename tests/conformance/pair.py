"""Sends requests to the embedded server and to a real one, and makes their responses comparable.

Both have a namespace of the same name. What differs from one server to the next (identity, times, versions, what a real
server's controllers and field managers add) is removed from the responses.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob.api.resources import NAMESPACES, KubeObject, Resource
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Transport
from tests.waiting import patience

_OF_ONE_SERVER: Final = frozenset({"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "time"})
_NOWHERE: Final = ("", "<nil>")
_CURRENT: Final = re.compile(r"current: \d+")
_UID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Reply:
    """The response of one server."""

    status: int
    body: Any
    warnings: str

    @property
    def fields(self) -> tuple[int, str, list[str]]:
        """Return status, reason, and the paths of invalid fields."""
        status, reason, causes = self.refusal
        return status, reason, sorted({field for field, _ in causes})

    @property
    def refusal(self) -> tuple[int, str, list[tuple[str, str]]]:
        """Return status, reason, and field and reason of each cause with a field."""
        if not isinstance(self.body, dict) or self.body.get("kind") != "Status":
            return self.status, "", []
        causes = (self.body.get("details") or {}).get("causes") or []
        fields = {(cause.get("field", ""), cause.get("reason", "")) for cause in causes}
        return (
            self.status,
            str(self.body.get("reason", "")),
            sorted(entry for entry in fields if entry[0] not in _NOWHERE),
        )


@dataclass(frozen=True)
class Pair:
    """Two servers with a namespace of the same name."""

    embedded: Transport
    kubernetes: Transport
    namespace: str

    def path(self, resource: Resource, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of a collection or object in the namespace."""
        return resource.path(self.namespace, name, subresource)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> tuple[Reply, Reply]:
        """Return the answers of the embedded server and of the real one."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = Request(method, path, query or {}, content, content_type)
        return _reply(self.embedded, request), _reply(self.kubernetes, request)


def create_pair(embedded: Transport, kubernetes: Transport) -> Pair:
    """Return a pair with a fresh namespace."""
    name = f"pair-{secrets.token_hex(4)}"
    for transport in (embedded, kubernetes):
        Client(transport).create(NAMESPACES, {"metadata": {"name": name}})
    return Pair(embedded, kubernetes, name)


def comparable(value: Any) -> Any:
    """Return a response without values that differ between servers."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if key not in _OF_ONE_SERVER and item is not None}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, str):
        return value
    return _CURRENT.sub("current: NEWEST", _UID.sub("UID", value))


def _reply(transport: Transport, request: Request) -> Reply:
    response = transport.send(request, timeout=patience(60))
    text = response.read()
    try:
        body: Any = json.loads(text)
    except ValueError:
        body = text.decode(errors="replace")
    return Reply(response.status, comparable(body), response.headers.get("warning", ""))


def object_of(resource: Resource, obj: KubeObject) -> KubeObject:
    """Return an object with its kind and version."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
