"""The transport over HTTP: the official ``kubernetes`` package's configuration, authentication and connections.

The package's own REST layer reads bodies completely and parses them into models, so only its configured urllib3 pool is
used, below that layer. Streams have a pool of their own: closing a stream shuts down its socket, which must never be
one that a write may be using.

Importing ``kubernetes`` takes most of a second, so it is imported with the first transport; the embedded cluster, whose
kubeconfig has a known form, is reached without it.
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
_POOL_SIZE: Final = 256
"""Maximum of pooled connections; beyond it urllib3 warns about each one, in the user's notebook."""
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A stream may be silent for hours: probes detect a peer that has vanished."""


class TokenConfiguration:
    """The embedded cluster's address and credentials: a token, over TLS with its own CA."""

    def __init__(self, host: str, *, token: str, ca: str) -> None:
        self.host = host
        self.ca = ca
        self._token = token

    def auth_settings(self) -> dict[str, dict[str, str]]:
        """Return the credentials as the ``kubernetes`` package does."""
        return {"BearerToken": {"in": "header", "key": "authorization", "value": f"Bearer {self._token}"}}


class HttpTransport:
    """A `Transport` to the API server of a `kubernetes.client.Configuration`, or of a `TokenAccess`. Thread-safe."""

    def __init__(self, configuration: kubernetes.client.Configuration | TokenConfiguration) -> None:
        self._configuration = configuration
        self._requests = _pool(configuration)
        self._streams = _pool(configuration)
        self._refresh_lock = threading.Lock()

    @property
    def server(self) -> str:
        """Return the URL of the API server."""
        return str(self._configuration.host)

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send `request`; raise `errors.ClusterError` if no answer arrived."""
        headers = {"Accept": request.accept, "User-Agent": constants.MANAGED_BY, **self._credentials()}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        url = self.server + quote(request.path, safe="/:@!$&'()*+,;=~")
        if request.query:
            url += "?" + urlencode(request.query)
        answer = self._exchange(request, url, headers, timeout)
        if request.stream and answer.status < 400:
            with contextlib.suppress(OSError, ValueError):  # the socket of an empty body is closed already
                return _StreamedResponse(answer, self.server, request.longest_silence)
        with _translate_errors(self.server, timeout):
            return _BufferedResponse(answer.status, _lower_case_names(answer.headers), answer.read())

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
                timeout=urllib3.Timeout(connect=_shorter_timeout(_CONNECT_TIMEOUT, timeout), read=timeout),
            )
            return cast("urllib3.HTTPResponse", answer)

        with _translate_errors(self.server, timeout):
            try:
                return exchange()
            except urllib3.exceptions.ProtocolError:
                if request.method != "GET":
                    raise
                # The server closed the pooled connection just before it was used.
                return exchange()

    def _credentials(self) -> dict[str, str]:
        """Return the authentication headers, after renewing an expired token."""
        with self._refresh_lock:
            try:
                settings: list[Any] = list(self._configuration.auth_settings().values())
            except Exception as error:  # a credential helper can raise anything
                message = (
                    f"No credentials for {self.server}: {error}. Renew them as for kubectl; `kubectl get namespaces` "
                    "with the same context shows whether it worked."
                )
                raise errors.ClusterError(message) from error
        return {
            setting["key"]: setting["value"] for setting in settings if setting["in"] == "header" and setting["value"]
        }


def _pool(configuration: kubernetes.client.Configuration | TokenConfiguration) -> urllib3.PoolManager:
    if isinstance(configuration, TokenConfiguration):
        import urllib3

        # A loopback address: proxies of the environment are not used.
        return urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_cert_data=configuration.ca, maxsize=_POOL_SIZE)
    from kubernetes.client.rest import RESTClientObject

    configuration.connection_pool_maxsize = _POOL_SIZE
    pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
    return pool


class _BufferedResponse:
    """A response whose body was read completely."""

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


class _StreamedResponse:
    """A response that is read while it arrives; `close` shuts down the socket under a blocked reader."""

    def __init__(self, answer: urllib3.HTTPResponse, server: str, longest_silence: float | None) -> None:
        self.status = answer.status
        self.headers = _lower_case_names(answer.headers)
        self._answer = answer
        self._server = server
        self._longest_silence = longest_silence
        self._read_lock = threading.Lock()
        self._closed = False
        # A duplicate descriptor of the socket: it can be shut down while the reader uses its own.
        self._socket = socket.socket(fileno=os.dup(answer.fileno()))
        _set_limit(answer, self._socket, longest_silence)

    def read(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            yield chunk

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):  # closed already, by either side
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._read_lock:
            self._answer.close()
            self._socket.close()

    def _next(self) -> bytes:
        chunk = b""
        with self._read_lock:
            if self._closed:
                return b""
            try:
                with _translate_errors(self._server, self._longest_silence):
                    chunk = self._answer.read1(_CHUNK)
            except errors.ClusterError:
                if not self._closed:
                    raise
            finally:
                if not chunk:
                    self._socket.close()
        return chunk


def _set_limit(answer: urllib3.HTTPResponse, end: socket.socket, longest_silence: float | None) -> None:
    """Change the time limit after the response has begun, and enable keepalive probes.

    Probes do not reach a server behind a proxy, which answers them itself.
    """
    reader = getattr(answer.connection, "sock", None)
    if reader is not None:
        reader.settimeout(longest_silence)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


@contextlib.contextmanager
def _translate_errors(server: str, timeout: float | None) -> Iterator[None]:
    """Convert errors of the connection to `errors.ClusterError` with a remedy."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, OSError, ValueError) as error:  # ValueError: read after close
        raise errors.ClusterError(_error_message(error, server, timeout)) from error


def _error_message(error: Exception, server: str, timeout: float | None) -> str:
    import ssl

    from urllib3 import exceptions

    if any(
        isinstance(cause, ssl.SSLCertVerificationError) for cause in (error.__cause__, error.__context__, *error.args)
    ):
        return (
            f"No trusted connection to the API server at {server}: {error}. Its certificate must be signed by the "
            "authority that the kubeconfig names (certificate-authority), for that address (or tls-server-name)."
        )
    # NewConnectionError is a subclass of ConnectTimeoutError, so it is checked first.
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
    return (
        f"The connection to the API server at {server} was closed before the response was complete: {error}. Try again."
    )


def _shorter_timeout(seconds: float, limit: float | None) -> float:
    return seconds if limit is None else min(seconds, limit)


def _lower_case_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): headers[name] for name in headers}  # a lookup joins headers of the same name
