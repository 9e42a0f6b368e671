"""The seam of the one door: a request goes in, a response comes out.

Two transports exist: HTTP through the official ``kubernetes`` package (`kube.http`), and a call into the embedded API
server's request core inside the daemon (`cluster.apiserver.core`). Both answer the same requests with the same bytes,
so everything above this line cannot tell them apart, and the conformance suite runs over both.

Everything is synchronous: a watch or a followed log is a response whose chunks are iterated, blocking, in the thread
that wants them. `Response.close` may be called from any thread and ends the iteration.
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
    """Whether the answer is to be iterated while it arrives (watch, followed log)."""


class Response(Protocol):
    """The answer: a status, and a body that is read whole or iterated."""

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
        """Give up the response, from any thread."""


class Transport(Protocol):
    """How requests reach an API server."""

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send `request`; raise `errors.ClusterError` if no answer came at all.

        `timeout` in seconds bounds the wait for the answer (for streams: for its beginning).
        """
