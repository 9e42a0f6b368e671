"""The answers of the request core, as `kube.transport.Response` wants them: a whole body, or chunks as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jupyter_trainjob.api.resources import Object, Resource
from jupyter_trainjob.errors import ApiError

JSON = "application/json"


class Body:
    """An answer that is there at once."""

    def __init__(self, body: bytes, *, status: int = 200, content_type: str = JSON) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._body = body

    def read(self) -> bytes:
        """Return the whole body."""
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        """Do nothing: it is all here."""


class Stream:
    """An answer whose chunks come while it is iterated, in the thread that iterates."""

    status = 200

    def __init__(self, source: Iterable[bytes], *, content_type: str = JSON) -> None:
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._source = source

    def read(self) -> bytes:
        """Return everything until the source ends."""
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._source)

    def close(self) -> None:
        """Tell the source to end; iterators that are not blocked by themselves have no `close` to tell."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


def dumps(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def listed(resource: Resource, metadata: Object, values: Sequence[bytes]) -> Body:
    """Return the answer that is a list of stored objects: their bytes, joined."""
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata}
    return Body(dumps(head)[:-1] + b',"items":[' + b",".join(values) + b"]}")


def refusal(error: ApiError) -> Body:
    """Return the answer that says no."""
    return Body(dumps(error.status), status=error.code)
