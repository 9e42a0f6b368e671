"""The HTTPS server: turns HTTP requests into `Request`s and sends the responses.

It listens on loopback with TLS, requires the bearer token and a Host header that names loopback (against DNS
rebinding), and sends no CORS headers. Requests are handled in a small thread pool. A watch or a followed log has its
own thread, which passes chunks to the event loop and waits until the client has received them.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.requests.request_bodies import MAX_BODY_BYTES
from jupyter_trainjob.cluster.apiserver.responses import JSON, Body, Stream, error_response
from jupyter_trainjob.kube.transport import Request

if TYPE_CHECKING:
    from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer

_log = logging.getLogger(__name__)
_WORKERS = 8
_MAX_READ_BYTES = (
    4 * MAX_BODY_BYTES
)  # larger than what is accepted, so that the client gets a 413 instead of a closed connection
_DRAIN_SECONDS = 1.0


class HttpsServer:
    """The embedded API server's listener. `run` serves until `stop` is called."""

    def __init__(
        self,
        core: ApiServer,
        *,
        certificate: Path,
        key: Path,
        token: str,
        port: int = 0,
        activity: AbstractContextManager[None] | None = None,
    ) -> None:
        """Bind the port (0: any), without serving yet; `activity` is entered around every authorized request."""
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._streams: dict[Stream, asyncio.Future[None]] = {}
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="apiserver")
        handler_options = {"core": core, "token": token, "pool": self._pool, "streams": self._streams}
        handler_options["activity"] = nullcontext() if activity is None else activity
        self._application = Application([(r"/.*", _RequestHandler, handler_options)], log_function=_log_request)

    def run(self) -> None:
        """Serve, in the calling thread, until `stop`."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._pool.shutdown()

    def stop(self) -> None:
        """Stop `run`, from any thread or signal handler."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        server = HTTPServer(self._application, ssl_options=self._tls, max_body_size=_MAX_READ_BYTES)
        server.add_socket(self._socket)
        await self._stopping.wait()
        server.stop()
        for stream in list(self._streams):
            stream.close()
        if self._streams:
            await asyncio.wait(list(self._streams.values()), timeout=_DRAIN_SECONDS)
        await server.close_all_connections()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


class _RequestHandler(RequestHandler):
    """Handles every path: authorizes the request and passes it to the request handler."""

    SUPPORTED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

    def initialize(
        self,
        core: ApiServer,
        token: str,
        pool: ThreadPoolExecutor,
        streams: dict[Stream, asyncio.Future[None]],
        activity: AbstractContextManager[None],
    ) -> None:
        self._activity = activity
        self._core = core
        self._token = token
        self._pool = pool
        self._streams = streams
        self._stream: Stream | None = None
        self._disconnected = False

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache, private")

    async def get(self) -> None:
        await self._serve()

    post = put = patch = delete = head = options = get

    def on_connection_close(self) -> None:
        self._disconnected = True
        if self._stream is not None:
            self._stream.close()

    async def _serve(self) -> None:
        if not _is_local(self.request.host):
            await self._respond(
                error_response(
                    status_errors.api_error(403, "Forbidden", _FOREIGN_HOST_MESSAGE.format(self.request.host))
                )
            )
            return
        if not self._is_authorized():
            self.set_header("WWW-Authenticate", "Bearer")
            await self._respond(error_response(status_errors.unauthorized()))
            return
        with self._activity:
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._pool, self._core.send, _to_request(self.request))
            if isinstance(response, Stream):
                await self._respond_with_stream(response)
            else:
                await self._respond(response)

    def _is_authorized(self) -> bool:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token.encode())

    async def _respond(self, response: Body) -> None:
        self.set_status(response.status)
        for name, value in response.headers.items():
            self.set_header(name, value)
        with suppress(StreamClosedError):
            await self.finish(response.read())

    async def _respond_with_stream(self, stream: Stream) -> None:
        """Send the chunks of a stream as they arrive; a slow client blocks the stream's thread."""
        self._stream = stream
        self.set_header("Content-Type", stream.headers["content-type"])
        loop = asyncio.get_running_loop()
        done = self._streams[stream] = loop.create_future()

        async def write(chunk: bytes) -> None:
            self.write(chunk)
            await self.flush()

        def pump() -> None:
            try:
                for chunk in stream:
                    asyncio.run_coroutine_threadsafe(write(chunk), loop).result()
            except StreamClosedError:
                pass
            except Exception:  # noqa: BLE001 - logged; the client sees the end of the stream
                _log.exception("stream %s failed", self.request.path)
            finally:
                stream.close()
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(_set_done, done)

        try:
            await self.flush()
            if self._disconnected:
                stream.close()
            Thread(target=pump, name="apiserver-stream", daemon=True).start()
            await done
            await self.finish()
        except StreamClosedError:
            pass
        finally:
            stream.close()
            del self._streams[stream]


_FOREIGN_HOST_MESSAGE = (
    "the Host header {!r} does not name this computer; the embedded cluster answers to localhost and loopback "
    "addresses only"
)


def _set_done(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _to_request(request: httputil.HTTPServerRequest) -> Request:
    query = dict(reversed(parse_qsl(request.query, keep_blank_values=True)))  # the first of several values, as in Go
    return Request(
        request.method or "GET",
        unquote(request.path),
        query,
        request.body or None,
        content_type=request.headers.get("Content-Type", JSON),
        accept=request.headers.get("Accept", "*/*"),
    )


def _is_local(host: str) -> bool:
    name, _ = httputil.split_host_and_port(host.lower())
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _log_request(handler: RequestHandler) -> None:
    elapsed = 1000.0 * handler.request.request_time()
    _log.debug("%d %s %s %.1f ms", handler.get_status(), handler.request.method, handler.request.uri, elapsed)
