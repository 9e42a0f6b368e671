"""The transport over HTTP: the official ``kubernetes`` package's configuration, authentication and connections.

A `Request` goes in, a request with credentials goes out over a kept connection. The package's own REST layer would
read bodies whole and parse them into models, so only its configured urllib3 pool is used, below that layer. The pool
of streams is another one: ending a stream shuts its socket, which must never be one that a write may be using.

Importing ``kubernetes`` takes most of a second, so it happens with the first transport and not before.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, urlencode

from jupyter_trainjob import constants, errors
from jupyter_trainjob.kube.transport import Request, Response

if TYPE_CHECKING:
    import kubernetes.client
    import urllib3

_CHUNK: Final = 1 << 16
_CONNECT_TIMEOUT: Final = 10.0
_KEPT: Final = 256
"""Connections that are kept for the next use; beyond it urllib3 warns about each one, in the user's notebook."""
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A stream is silent for hours and has no timeout: without probes, a peer that vanished would never be noticed."""


class HttpTransport:
    """A `Transport` to the API server of a `kubernetes.client.Configuration`. Thread-safe."""

    def __init__(self, configuration: kubernetes.client.Configuration) -> None:
        from kubernetes.client.rest import RESTClientObject

        configuration.connection_pool_maxsize = _KEPT
        self._configuration = configuration
        self._requests: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        self._streams: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        self._refreshing = threading.Lock()

    @property
    def server(self) -> str:
        """Return the URL of the API server."""
        return str(self._configuration.host)

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send `request`; raise `errors.ClusterError` if no answer came at all."""
        headers = {"Accept": request.accept, "User-Agent": constants.MANAGED_BY, **self._credentials()}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        url = self.server + quote(request.path, safe="/:@!$&'()*+,;=~")
        if request.query:
            url += "?" + urlencode(request.query)
        answer = self._exchange(request, url, headers, timeout)
        if request.stream and answer.status < 400:
            with contextlib.suppress(OSError, ValueError):  # an empty body is over already, and its socket gone
                return _Stream(answer, self.server)
        with _explained(self.server, timeout):
            return _Whole(answer.status, _lower(answer.headers), answer.read())

    def _exchange(
        self, request: Request, url: str, headers: dict[str, str], timeout: float | None
    ) -> urllib3.HTTPResponse:
        import urllib3

        pool = self._streams if request.stream else self._requests

        def exchange() -> urllib3.HTTPResponse:
            answer = pool.request(
                request.method,
                url,
                body=request.body,
                headers=headers,
                preload_content=False,
                retries=False,
                timeout=urllib3.Timeout(connect=_shorter(_CONNECT_TIMEOUT, timeout), read=timeout),
            )
            return cast("urllib3.HTTPResponse", answer)

        with _explained(self.server, timeout):
            try:
                return exchange()
            except urllib3.exceptions.ProtocolError:
                if request.method != "GET":
                    raise
                # The server had ended the kept connection just as we used it.
                return exchange()

    def _credentials(self) -> dict[str, str]:
        """Return the headers that say who we are, renewing a token that has expired."""
        with self._refreshing:
            try:
                settings: list[Any] = list(self._configuration.auth_settings().values())
            except Exception as error:  # whatever a credential helper of the user raises
                message = (
                    f"No credentials for {self.server}: {error}. Renew them as for kubectl; `kubectl get namespaces` "
                    "with the same context shows whether it worked."
                )
                raise errors.ClusterError(message) from error
        return {each["key"]: each["value"] for each in settings if each["in"] == "header" and each["value"]}


class _Whole:
    """An answer whose body has been read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    def read(self) -> bytes:
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        if self._body:
            yield self._body

    def close(self) -> None:
        pass


class _Stream:
    """An answer that is read while it arrives; `close` shuts the socket under a reader that waits."""

    def __init__(self, answer: urllib3.HTTPResponse, server: str) -> None:
        self.status = answer.status
        self.headers = _lower(answer.headers)
        self._answer = answer
        self._server = server
        self._reading = threading.Lock()
        self._closed = False
        # Our own descriptor of the same socket: it can be shut whatever the reader does to its own.
        self._socket = socket.socket(fileno=os.dup(answer.fileno()))
        _wait_without_limit(answer, self._socket)

    def read(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            yield chunk

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):  # ended before, by either side
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._reading:
            self._answer.close()
            self._socket.close()

    def _next(self) -> bytes:
        chunk = b""
        with self._reading:
            if self._closed:
                return b""
            try:
                with _explained(self._server, None):
                    chunk = self._answer.read1(_CHUNK)
            except errors.ClusterError:
                if not self._closed:
                    raise
            finally:
                if not chunk:
                    self._socket.close()
        return chunk


def _wait_without_limit(answer: urllib3.HTTPResponse, end: socket.socket) -> None:
    """Lift the time limit that held until the answer began, and let the system probe the peer instead."""
    reader = getattr(answer.connection, "sock", None)
    if reader is not None:
        reader.settimeout(None)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


@contextlib.contextmanager
def _explained(server: str, timeout: float | None) -> Iterator[None]:
    """Turn what the connection raises into one error that says what to do."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:  # ValueError: read after close
        raise errors.ClusterError(_explanation(error, server, timeout)) from error


def _explanation(error: Exception, server: str, timeout: float | None) -> str:
    import ssl

    from urllib3 import exceptions

    if any(
        isinstance(each, ssl.SSLCertVerificationError) for each in (error.__cause__, error.__context__, *error.args)
    ):
        return (
            f"No trusted connection to the API server at {server}: {error}. Its certificate must be signed by the "
            "authority that the kubeconfig names (certificate-authority), for that address (or tls-server-name)."
        )
    # NewConnectionError is a ConnectTimeoutError too, so it goes first.
    if isinstance(error, exceptions.NewConnectionError):
        return (
            f"Cannot reach the API server at {server}: {error.__cause__ or error}. Check that the cluster runs and "
            "that this machine can reach it (network, VPN); `kubectl version` with the same context shows the same."
        )
    if isinstance(error, exceptions.TimeoutError):
        waited = f" within {timeout:g} s" if timeout else " in time"
        return f"The API server at {server} gave no answer{waited}. It is overloaded or out of reach; try again."
    if isinstance(error, exceptions.ProxyError):
        return (
            f"Cannot reach the API server at {server} through the proxy of this environment: {error}. Check NO_PROXY."
        )
    return f"The connection to the API server at {server} ended before the answer did: {error}. Try again."


def _shorter(seconds: float, limit: float | None) -> float:
    return seconds if limit is None else min(seconds, limit)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
