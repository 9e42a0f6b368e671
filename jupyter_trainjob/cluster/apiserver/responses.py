"""Responses of the API server, implementing `kube.transport.Response`: a whole body, or a stream of chunks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jupyter_trainjob.api.resources import KubeObject, Resource
from jupyter_trainjob.errors import ApiError

JSON = "application/json"


class Body:
    """A response with a complete body."""

    def __init__(
        self, body: bytes, *, status: int = 200, content_type: str = JSON, warnings: Sequence[str] = ()
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = {"content-type": content_type}
        if warnings:
            self.headers["warning"] = ", ".join(f"299 - {json.dumps(text)}" for text in warnings)
        self._body = body

    def read(self) -> bytes:
        """Return the whole body."""
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        """Do nothing."""


class Stream:
    """A response whose chunks are produced while it is iterated, in the iterating thread."""

    status = 200

    def __init__(self, source: Iterable[bytes], *, content_type: str = JSON) -> None:
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._source = source

    def read(self) -> bytes:
        """Return all chunks, joined, once the source has ended."""
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._source)

    def close(self) -> None:
        """Close the source, if it has a `close` method."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


def dump_json(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def list_response(resource: Resource, metadata: KubeObject, values: Sequence[bytes]) -> Body:
    """Return the response with a list of stored objects: their bytes, joined."""
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata}
    return Body(dump_json(head)[:-1] + b',"items":[' + b",".join(values) + b"]}")


def error_response(error: ApiError, warnings: Sequence[str] = ()) -> Body:
    """Return the response for an API error."""
    return Body(dump_json(error.status), status=error.code, warnings=warnings)
