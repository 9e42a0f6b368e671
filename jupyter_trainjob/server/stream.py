"""The stream: the one websocket of a browser tab, which carries everything that it watches.

A message without binary parts is JSON in a text frame. One with parts is a binary frame: four bytes, little endian, of
the length of the JSON, the JSON, whose ``buffers`` are the lengths of the parts, and the parts one after the other.
The browser only ever sends text.

Credentials are those of the Jupyter server: who is not logged in, or comes from another origin, is refused before the
handshake; who may not ``read`` what is called ``trainjob`` as well; who may not ``execute`` it cannot change jobs.
"""

from __future__ import annotations

import json
import struct
import weakref
from collections.abc import Sequence
from typing import Any, ClassVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web, websocket
from tornado.ioloop import IOLoop

from jupyter_trainjob.server.policy import Policy
from jupyter_trainjob.server.tab import Tab

RESOURCE = "trainjob"
"""What the Jupyter server's authorizer is asked about."""
PING = {"kind": "ping"}
"""A page asks now and then whether its stream still reaches us, as after a sleep: it cannot see the socket's pings."""
UNSENT = 8_000_000
"""Bytes that may wait for a tab that does not take them; it is cut off then, and gets everything when it comes back."""


class Streams:
    """The streams that are open, to be closed with the server."""

    SETTING: ClassVar = "trainjob_streams"

    def __init__(self) -> None:
        self._open: weakref.WeakSet[StreamHandler] = weakref.WeakSet()

    def add(self, stream: StreamHandler) -> None:
        """Take note of a stream."""
        self._open.add(stream)

    def close(self) -> None:
        """Close them all."""
        for stream in list(self._open):
            stream.cut(1001, "the server ends")


class StreamHandler(WebSocketMixin, JupyterHandler, websocket.WebSocketHandler):
    """``jupyter-trainjob/stream``."""

    auth_resource = RESOURCE
    _tab: Tab | None = None
    _unsent = 0
    _may_act = False

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands."""
        if not await self._may("read"):
            raise web.HTTPError(403, "You may not look at training jobs through this Jupyter server.")
        self._may_act = await self._may("execute")
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing open."""
        super().open(*args, **kwargs)
        loop = IOLoop.current()

        def send(content: dict[str, Any], buffers: list[bytes]) -> None:
            frame = encode(content, buffers)
            loop.add_callback(self._write, frame)

        self._tab = Tab(send=send, may_act=self._may_act, policy=self.settings[Policy.SETTING])
        self.settings[Streams.SETTING].add(self)

    def on_message(self, message: str | bytes) -> None:
        """Hand on what the page says."""
        try:
            content = json.loads(message)
        except ValueError:
            return
        if content == PING:
            self.write_message({"kind": "pong"})
        elif self._tab is not None:
            self._tab.receive(content)

    def on_close(self) -> None:
        """End everything of the tab."""
        tab, self._tab = self._tab, None
        if tab is not None:
            tab.close()

    def cut(self, code: int, why: str) -> None:
        """Hang up, and end everything of the tab at once, whether or not the page still answers."""
        self.close(code, why)
        self.on_close()

    async def _may(self, action: str) -> bool:
        found = self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)
        return bool(await ensure_async(found))

    async def _write(self, frame: str | bytes) -> None:
        if self._tab is None:
            return
        if self._unsent > UNSENT:
            self.cut(1013, "the page does not take what it is told")
            return
        self._unsent += len(frame)
        try:
            await self.write_message(frame, binary=isinstance(frame, bytes))
        except (websocket.WebSocketClosedError, OSError):
            self.on_close()
        finally:
            self._unsent -= len(frame)


def encode(content: dict[str, Any], buffers: Sequence[bytes]) -> str | bytes:
    """Return a message as a frame: text, or bytes where it has binary parts."""
    if not buffers:
        return json.dumps(content)
    head = json.dumps({**content, "buffers": [len(each) for each in buffers]}).encode()
    return b"".join([struct.pack("<I", len(head)), head, *buffers])
