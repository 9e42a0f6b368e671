"""The interface between the client and an API server: a request in, a response out.

Two transports exist: HTTP through the official ``kubernetes`` package (`kube.http_transport`), and a call into the
embedded API server inside the daemon (`cluster.apiserver.request_handler`). Both answer the same
requests with the same bytes, and the conformance suite runs over both.

Everything is synchronous: a watch or a followed log is a response whose chunks are iterated, blocking, in the caller's
thread. `Response.close` may be called from any thread and ends the iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One request to an API server. `query` values are unencoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    stream: bool = False
    """Whether the response is iterated while it arrives (watch, followed log)."""
    longest_silence: float | None = None
    """Seconds after which a stream without data counts as broken; None if it may be silent forever."""


class Response(Protocol):
    """The response: a status, and a body that is read completely or iterated."""

    @property
    def status(self) -> int:
        """Return the HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, names in lower case."""

    def read(self) -> bytes:
        """Return the whole body."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks as they arrive; ends when the server or `close` ends it."""

    def close(self) -> None:
        """Close the response, from any thread."""


class Transport(Protocol):
    """Sends requests to an API server."""

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send `request`; raise `errors.ClusterError` if no answer arrived.

        `timeout` in seconds bounds the wait for the answer (of a stream: for its beginning).
        """
