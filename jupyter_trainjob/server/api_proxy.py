"""Forward requests of the front end to the API server of a context.

A request is sent with the credentials of the context, and with the path, the known query parameters and the body of the
front end's request; of the response, only the status and the body are returned. So no token passes in either direction.
`proxy_rules` defines which requests are forwarded, the Jupyter server's authorizer for whom. Watches and followed logs
are streamed line by line.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from jupyter_server.auth.decorator import authorized
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_trainjob import errors
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.server import proxy_rules
from jupyter_trainjob.server.base_handler import Route, translate_errors
from jupyter_trainjob.server.cluster_routes import connect_without_starting

JSON: Final = "application/json"
PATCHES: Final = tuple(f"application/{kind}-patch+json" for kind in ("merge", "json", "strategic-merge"))
_PARAMETERS: Final = (
    "allowWatchBookmarks container continue dryRun fieldManager fieldSelector fieldValidation follow "
    "gracePeriodSeconds labelSelector limit limitBytes pretty previous propagationPolicy resourceVersion "
    "resourceVersionMatch sendInitialEvents sinceSeconds sinceTime tailLines timeoutSeconds timestamps watch"
)
QUERY_PARAMETERS: Final = frozenset(_PARAMETERS.split())
MAX_BODY_BYTES: Final = 3 * 2**20
"""Maximum bytes of a request body: the limit of an API server."""
MAX_STREAMS: Final = 64
"""Maximum watches and followed logs at a time; each has a thread."""


class OpenStreams:
    """The open watches and followed logs, to be closed with the server."""

    SETTING: ClassVar = "trainjob_open_streams"

    def __init__(self) -> None:
        self._open: weakref.WeakSet[ProxyRoute] = weakref.WeakSet()

    def add(self, route: ProxyRoute) -> None:
        """Add one. Raises `errors.ServerError` if there are `MAX_STREAMS` already."""
        if len(self._open) >= MAX_STREAMS:
            message = f"This Jupyter server has {MAX_STREAMS} open watches and followed logs: end some of them."
            raise errors.ServerError(503, "ServiceUnavailable", message)
        self._open.add(route)

    def remove(self, route: ProxyRoute) -> None:
        """Remove one."""
        self._open.discard(route)

    def close(self) -> None:
        """Close them all."""
        for route in list(self._open):
            route.on_connection_close()


class ProxyRoute(Route):
    """``jupyter-trainjob/api/CONTEXT/PATH``."""

    _response: Response | None = None
    _disconnected = False

    # `authorized` keeps the action of the first request that it sees, so each verb has its own.
    @web.authenticated
    @authorized
    async def get(self, context: str, path: str) -> None:
        """Forward a GET request: read, watch or follow a log."""
        await self._forward(context, path)

    @web.authenticated
    @authorized
    async def post(self, context: str, path: str) -> None:
        """Forward a POST request."""
        await self._forward(context, path)

    @web.authenticated
    @authorized
    async def put(self, context: str, path: str) -> None:
        """Forward a PUT request."""
        await self._forward(context, path)

    @web.authenticated
    @authorized
    async def patch(self, context: str, path: str) -> None:
        """Forward a PATCH request."""
        await self._forward(context, path)

    @web.authenticated
    @authorized
    async def delete(self, context: str, path: str) -> None:
        """Forward a DELETE request."""
        await self._forward(context, path)

    def on_connection_close(self) -> None:
        """Close the stream of a front end that has disconnected."""
        self._disconnected = True
        if self._response is not None:
            self._response.close()

    async def _forward(self, context: str, path: str) -> None:
        # Reversed, since the first of several values counts.
        parameters = reversed(parse_qsl(self.request.query, keep_blank_values=True))
        query = {name: value for name, value in dict(parameters).items() if name in QUERY_PARAMETERS}
        resource_request = proxy_rules.parse_request(self.request.method or "", f"/{path}", query)
        with translate_errors():
            self.policy.check_proxy(context, resource_request)
        is_log = resource_request is not None and resource_request.resource.endswith("/log")
        request = Request(
            self.request.method or "",
            f"/{path}",
            query,
            self.request.body or None,
            content_type=self._content_type(),
            accept="*/*" if is_log else JSON,
            stream=resource_request is not None and resource_request.stream,
        )

        def send() -> tuple[Response, bytes | None]:
            response = connect_without_starting(context).client.raw(request)
            if response.status >= 300:
                raise errors.ClusterError(
                    f"The API server of {context} redirected; redirects are not followed. Check `server` in the "
                    "kubeconfig."
                )
            return response, None if request.stream else response.read()

        response, body = await self.run_on_thread(send)
        kind = "text/plain; charset=utf-8" if is_log else JSON
        self.set_status(response.status)
        self.set_header("Content-Type", kind)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        if body is not None:
            self.finish(body, set_content_type=kind)
        else:
            self.set_header("X-Accel-Buffering", "no")
            await self._stream_lines(response)

    def _content_type(self) -> str:
        if len(self.request.body) > MAX_BODY_BYTES:
            raise web.HTTPError(413, f"An API server takes at most {MAX_BODY_BYTES} bytes.")
        kind = self.request.headers.get("Content-Type", JSON).partition(";")[0].strip().lower()
        if not self.request.body:
            return JSON
        if kind not in (JSON, *PATCHES):
            raise web.HTTPError(415, f"Send JSON, as one of {', '.join((JSON, *PATCHES))}.")
        return kind

    async def _stream_lines(self, response: Response) -> None:
        """Write lines as they arrive, on this loop; a slow front end slows down the thread that reads them."""
        open_streams: OpenStreams = self.settings[OpenStreams.SETTING]
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        async def write(chunk: bytes) -> None:
            self.write(chunk)
            await self.flush()

        self._response = response
        try:
            with translate_errors():
                open_streams.add(self)
            with suppress(StreamClosedError):
                await self.flush()
                if self._disconnected:
                    return
                pump = threading.Thread(
                    target=_pump, args=(response, write, loop, done), name="trainjob-proxy", daemon=True
                )
                pump.start()
                await done
                await self.finish()
        finally:
            open_streams.remove(self)
            response.close()


def _pump(
    response: Response,
    write: Callable[[bytes], Awaitable[Any]],
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[None],
) -> None:
    """Write a response until it ends or breaks off, after which a client watches again, as with any API server."""
    try:
        for chunk in whole_lines(response):
            asyncio.run_coroutine_threadsafe(write(chunk), loop).result()  # type: ignore[arg-type]
    except (StreamClosedError, errors.TrainJobError, RuntimeError, OSError, ValueError):
        pass
    finally:
        with suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(_finish, done)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Join chunks into pieces of whole lines, each as soon as its last line is complete.

    >>> list(whole_lines([b"a", b"b\nc", b"\n"]))
    [b'ab\n', b'c\n']
    """
    incomplete = b""
    for chunk in chunks:
        lines, end, incomplete = (incomplete + chunk).rpartition(b"\n")
        if end:
            yield lines + end
    if incomplete:
        yield incomplete


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
