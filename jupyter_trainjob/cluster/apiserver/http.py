"""The HTTPS front: bytes from a socket become a `Request` for `core`, and its answer goes back.

Only users of this machine who hold the token get through: it listens on loopback, behind TLS, asks for the bearer token
and for a Host header that names loopback (a web page whose name resolves to this machine has another), and allows no
other origin anything. Requests are answered in a small pool of threads. A watch or a followed log has a thread of its
own, which hands chunks to the event loop and waits until the client has taken them.
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

from jupyter_trainjob.cluster.apiserver import status
from jupyter_trainjob.cluster.apiserver.bodies import LARGEST
from jupyter_trainjob.cluster.apiserver.responses import JSON, Body, Stream, refusal
from jupyter_trainjob.kube.transport import Request

if TYPE_CHECKING:
    from jupyter_trainjob.cluster.apiserver.core import Core

_log = logging.getLogger(__name__)
_WORKERS = 8
_LARGEST_BODY = 4 * LARGEST  # read to its end, so that the client hears why it is refused
_DRAIN_SECONDS = 1.0


class HttpFront:
    """The socket of the embedded API server. `run` serves until `stop` is called."""

    def __init__(
        self,
        core: Core,
        *,
        certificate: Path,
        key: Path,
        token: str,
        port: int = 0,
        activity: AbstractContextManager[None] | None = None,
    ) -> None:
        """Listen, without answering yet; `activity` is entered by every request that is let in, and left at its end."""
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._streams: dict[Stream, asyncio.Future[None]] = {}
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="apiserver")
        options = {"core": core, "token": token, "pool": self._pool, "streams": self._streams}
        options["activity"] = nullcontext() if activity is None else activity
        self._application = Application([(r"/.*", _Handler, options)], log_function=_log_request)

    def run(self) -> None:
        """Serve, in the calling thread, until `stop`."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._pool.shutdown()

    def stop(self) -> None:
        """End `run`, from any thread or signal handler."""
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        server = HTTPServer(self._application, ssl_options=self._tls, max_body_size=_LARGEST_BODY)
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


class _Handler(RequestHandler):
    """Every path: `core` knows what it means."""

    SUPPORTED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

    def initialize(
        self,
        core: Core,
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
        self._gone = False

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache, private")

    async def get(self) -> None:
        await self._serve()

    post = put = patch = delete = head = options = get

    def on_connection_close(self) -> None:
        self._gone = True
        if self._stream is not None:
            self._stream.close()

    async def _serve(self) -> None:
        if not _is_local(self.request.host):
            await self._answer(refusal(status.failure(403, "Forbidden", _FOREIGN_HOST.format(self.request.host))))
            return
        if not self._is_authorized():
            self.set_header("WWW-Authenticate", "Bearer")
            await self._answer(refusal(status.unauthorized()))
            return
        with self._activity:
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._pool, self._core.send, _request(self.request))
            if isinstance(response, Stream):
                await self._pass_on(response)
            else:
                await self._answer(response)

    def _is_authorized(self) -> bool:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token.encode())

    async def _answer(self, response: Body) -> None:
        self.set_status(response.status)
        self.set_header("Content-Type", response.headers["content-type"])
        with suppress(StreamClosedError):
            await self.finish(response.read())

    async def _pass_on(self, stream: Stream) -> None:
        """Send the chunks of a stream as they come; a slow client slows the stream's thread down."""
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
            except Exception:  # noqa: BLE001 - told to the log; the client sees the end of the stream
                _log.exception("the stream %s broke off", self.request.path)
            finally:
                stream.close()
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(_finish, done)

        try:
            await self.flush()
            if self._gone:
                stream.close()
            Thread(target=pump, name="apiserver-stream", daemon=True).start()
            await done
            await self.finish()
        except StreamClosedError:
            pass
        finally:
            stream.close()
            del self._streams[stream]


_FOREIGN_HOST = (
    "the Host header {!r} does not name this computer; the embedded cluster answers to localhost and loopback "
    "addresses only"
)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _request(sent: httputil.HTTPServerRequest) -> Request:
    query = dict(reversed(parse_qsl(sent.query, keep_blank_values=True)))  # the first of several counts, as in Go
    return Request(
        sent.method or "GET",
        unquote(sent.path),
        query,
        sent.body or None,
        content_type=sent.headers.get("Content-Type", JSON),
        accept=sent.headers.get("Accept", "*/*"),
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
