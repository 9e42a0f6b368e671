"""The proxy: requests of the Kubernetes API that the page sends to the API server of a context.

A request goes out with the credentials of the context, and nothing of what came with it but its path, the parts of its
query that Kubernetes knows, and its body; an answer comes back with its status and body alone. So no token passes in
either direction. What is let through stands in `allowed`, who may ask in the Jupyter server's authorizer. Watches and
followed logs are passed on line by line as they come.
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
from jupyter_trainjob.server import allowed
from jupyter_trainjob.server.base import Route, answered
from jupyter_trainjob.server.clusters import watched

JSON: Final = "application/json"
PATCHES: Final = tuple(f"application/{kind}-patch+json" for kind in ("merge", "json", "strategic-merge"))
_KNOWN: Final = (
    "allowWatchBookmarks container continue dryRun fieldManager fieldSelector fieldValidation follow "
    "gracePeriodSeconds labelSelector limit limitBytes pretty previous propagationPolicy resourceVersion "
    "resourceVersionMatch sendInitialEvents sinceSeconds sinceTime tailLines timeoutSeconds timestamps watch"
)
QUERY: Final = frozenset(_KNOWN.split())
LARGEST: Final = 3 * 2**20
"""Bytes of a body: as an API server takes."""
MOST: Final = 64
"""Watches and followed logs at a time; each has a thread."""


class Passing:
    """The streams that are passed on, to be ended with the server."""

    SETTING: ClassVar = "trainjob_passing"

    def __init__(self) -> None:
        self._open: weakref.WeakSet[ProxyRoute] = weakref.WeakSet()

    def add(self, route: ProxyRoute) -> None:
        """Take note of one. Raises `errors.ServerError` where there are too many."""
        if len(self._open) >= MOST:
            message = f"{MOST} watches and logs are followed through this Jupyter server already: end some of them."
            raise errors.ServerError(503, "ServiceUnavailable", message)
        self._open.add(route)

    def remove(self, route: ProxyRoute) -> None:
        """Forget one."""
        self._open.discard(route)

    def close(self) -> None:
        """End them all."""
        for route in list(self._open):
            route.on_connection_close()


class ProxyRoute(Route):
    """``jupyter-trainjob/api/CONTEXT/PATH``."""

    _answer: Response | None = None
    _gone = False

    # `authorized` keeps the action of the first request that it sees, so each verb has its own.
    @web.authenticated
    @authorized
    async def get(self, context: str, path: str) -> None:
        """Read, watch or follow."""
        await self._pass(context, path)

    @web.authenticated
    @authorized
    async def post(self, context: str, path: str) -> None:
        """Create."""
        await self._pass(context, path)

    @web.authenticated
    @authorized
    async def put(self, context: str, path: str) -> None:
        """Replace."""
        await self._pass(context, path)

    @web.authenticated
    @authorized
    async def patch(self, context: str, path: str) -> None:
        """Change."""
        await self._pass(context, path)

    @web.authenticated
    @authorized
    async def delete(self, context: str, path: str) -> None:
        """Delete."""
        await self._pass(context, path)

    def on_connection_close(self) -> None:
        """End what is passed on to a page that is gone."""
        self._gone = True
        if self._answer is not None:
            self._answer.close()

    async def _pass(self, context: str, path: str) -> None:
        given = dict(reversed(parse_qsl(self.request.query, keep_blank_values=True)))  # The first of several counts.
        query = {name: value for name, value in given.items() if name in QUERY}
        found = allowed.asked(self.request.method or "", f"/{path}", query)
        with answered():
            self.policy.check_proxy(context, found)
        is_log = found is not None and found.resource.endswith("/log")
        request = Request(
            self.request.method or "",
            f"/{path}",
            query,
            self.request.body or None,
            content_type=self._content_type(),
            accept="*/*" if is_log else JSON,
            stream=found is not None and found.stream,
        )

        def send() -> tuple[Response, bytes | None]:
            answer = watched(context).client.raw(request)
            if answer.status >= 300:
                message = f"{context} sends requests elsewhere, which is not followed. Is the address right?"
                raise errors.ClusterError(message)
            return answer, None if request.stream else answer.read()

        answer, body = await self.ask(send)
        kind = "text/plain; charset=utf-8" if is_log else JSON
        self.set_status(answer.status)
        self.set_header("Content-Type", kind)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        if body is not None:
            self.finish(body, set_content_type=kind)
        else:
            self.set_header("X-Accel-Buffering", "no")
            await self._pass_on(answer)

    def _content_type(self) -> str:
        if len(self.request.body) > LARGEST:
            raise web.HTTPError(413, f"An API server takes at most {LARGEST} bytes.")
        kind = self.request.headers.get("Content-Type", JSON).partition(";")[0].strip().lower()
        if not self.request.body:
            return JSON
        if kind not in (JSON, *PATCHES):
            raise web.HTTPError(415, f"Send JSON, as one of {', '.join((JSON, *PATCHES))}.")
        return kind

    async def _pass_on(self, answer: Response) -> None:
        """Write lines as they come, on this loop; a page that is slow slows the thread that reads them."""
        passing: Passing = self.settings[Passing.SETTING]
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        async def write(chunk: bytes) -> None:
            self.write(chunk)
            await self.flush()

        self._answer = answer
        try:
            with answered():
                passing.add(self)
            with suppress(StreamClosedError):
                await self.flush()
                if self._gone:
                    return
                pump = threading.Thread(
                    target=_pump, args=(answer, write, loop, done), name="trainjob-proxy", daemon=True
                )
                pump.start()
                await done
                await self.finish()
        finally:
            passing.remove(self)
            answer.close()


def _pump(
    answer: Response,
    write: Callable[[bytes], Awaitable[Any]],
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[None],
) -> None:
    """Hand on an answer until it ends or breaks off: whoever watches asks again then, as of any API server."""
    try:
        for chunk in whole_lines(answer):
            asyncio.run_coroutine_threadsafe(write(chunk), loop).result()  # type: ignore[arg-type]
    except (StreamClosedError, errors.TrainJobError, RuntimeError, OSError, ValueError):
        pass
    finally:
        with suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(_finish, done)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what comes in pieces that end where lines do, each as soon as its last line is whole."""
    rest = b""
    for chunk in chunks:
        whole, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield whole + end
    if rest:
        yield rest


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
