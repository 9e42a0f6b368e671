"""The websocket of a browser tab.

A message without buffers is JSON in a text frame. One with buffers is a binary frame: the length of the JSON as four
bytes, little endian, the JSON, whose ``buffers`` has the lengths of the buffers, and the buffers. The browser sends
text frames only.

The Jupyter server authenticates users. The handshake fails for users who are not logged in, for other origins, and for
users without the permission to ``read`` the resource ``trainjob``; changing jobs needs the permission to ``execute``.
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

from jupyter_trainjob.server.access_policy import Policy
from jupyter_trainjob.server.stream_session import TabSession

RESOURCE = "trainjob"
"""The resource whose permissions the Jupyter server's authorizer checks."""
PING = {"kind": "ping"}
"""A message by which a front end checks its connection, as after a sleep: browsers do not expose websocket pings."""
MAX_UNSENT = 8_000_000
"""Maximum bytes that wait to be sent; a tab that exceeds it is disconnected, and gets everything on reconnection."""


class OpenSockets:
    """The open websockets, to be closed with the server."""

    SETTING: ClassVar = "trainjob_open_sockets"

    def __init__(self) -> None:
        self._open: weakref.WeakSet[StreamHandler] = weakref.WeakSet()

    def add(self, stream: StreamHandler) -> None:
        """Add a websocket."""
        self._open.add(stream)

    def close(self) -> None:
        """Close all websockets."""
        for stream in list(self._open):
            stream.disconnect(1001, "the server shuts down")


class StreamHandler(WebSocketMixin, JupyterHandler, websocket.WebSocketHandler):
    """``jupyter-trainjob/stream``."""

    auth_resource = RESOURCE
    _session: TabSession | None = None
    _unsent = 0
    _may_act = False

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Check permissions and complete the handshake."""
        if not await self._is_authorized("read"):
            raise web.HTTPError(403, "This Jupyter server does not permit you to see training jobs.")
        self._may_act = await self._is_authorized("execute")
        await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Create the session."""
        super().open(*args, **kwargs)
        loop = IOLoop.current()

        def send(content: dict[str, Any], buffers: list[bytes]) -> None:
            frame = encode(content, buffers)
            loop.add_callback(self._write, frame)

        self._session = TabSession(send=send, may_act=self._may_act, policy=self.settings[Policy.SETTING])
        self.settings[OpenSockets.SETTING].add(self)

    def on_message(self, message: str | bytes) -> None:
        """Handle a message of the front end."""
        try:
            content = json.loads(message)
        except ValueError:
            return
        if content == PING:
            self.write_message({"kind": "pong"})
        elif self._session is not None:
            self._session.receive(content)

    def on_close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def disconnect(self, code: int, reason: str) -> None:
        """Close the websocket and the session at once, even if the front end does not respond."""
        self.close(code, reason)
        self.on_close()

    async def _is_authorized(self, action: str) -> bool:
        authorized = self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)
        return bool(await ensure_async(authorized))

    async def _write(self, frame: str | bytes) -> None:
        if self._session is None:
            return
        if self._unsent > MAX_UNSENT:
            self.disconnect(1013, "the page does not receive its messages")
            return
        self._unsent += len(frame)
        try:
            await self.write_message(frame, binary=isinstance(frame, bytes))
        except (websocket.WebSocketClosedError, OSError):
            self.on_close()
        finally:
            self._unsent -= len(frame)


def encode(content: dict[str, Any], buffers: Sequence[bytes]) -> str | bytes:
    """Encode a message as a frame: text, or bytes if it has buffers."""
    if not buffers:
        return json.dumps(content)
    head = json.dumps({**content, "buffers": [len(buffer) for buffer in buffers]}).encode()
    return b"".join([struct.pack("<I", len(head)), head, *buffers])
