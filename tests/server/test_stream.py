"""The websocket: authorization, messages and shutdown."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from jupyter_trainjob.server import stream_socket as module
from jupyter_trainjob.server.stream_session import FORBIDDEN
from jupyter_trainjob.server.stream_socket import OpenSockets, encode
from tests.server.cluster import NAME, Cluster
from tests.server.session_threads import RunningThreads
from tests.waiting import patience, wait_for

Fetch = Callable[..., Any]
PATH = ("jupyter-trainjob", "stream")
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
START = {"kind": "start", "channel": 1, "context": NAME, "namespace": None, "list": True}


class AllowSome(Authorizer):
    """Allows some actions on jobs, and all on other resources; asynchronous, as authorizers may be."""

    allowed: frozenset[str] = frozenset()

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        await asyncio.sleep(0)
        return resource != "trainjob" or action in self.allowed


def allow(*actions: str) -> type[AllowSome]:
    return type("Allow", (AllowSome,), {"allowed": frozenset(actions)})


async def send(stream: Any, **content: Any) -> None:
    await stream.write_message(json.dumps(content))


async def wait_for_message(stream: Any, **entries: Any) -> Any:
    """Return the next message with these entries; None if the stream has ended."""
    while (frame := await asyncio.wait_for(stream.read_message(), patience(60))) is not None:
        content = json.loads(frame) if isinstance(frame, str) else {}
        if entries.items() <= content.items():
            return content
    return None


async def wait_until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, condition)


async def handshake_status(fetch: Fetch, **headers: str) -> int:
    """Return the HTTP status of a refused handshake."""
    with pytest.raises(HTTPClientError) as error:
        await fetch(*PATH, headers={**HANDSHAKE, **headers})
    return error.value.code


async def test_handshake_needs_a_login(jp_fetch: Fetch) -> None:
    assert await handshake_status(jp_fetch, Authorization="token wrong") == 403


async def test_handshake_of_another_origin_is_refused(
    jp_fetch: Fetch, jp_ws_fetch: Fetch, jp_auth_header: dict[str, str]
) -> None:
    token = jp_auth_header["Authorization"].split()[1]
    login = await jp_fetch("api", "me", params={"token": token})
    cookies = "; ".join(cookie.split(";")[0] for cookie in login.headers.get_list("Set-Cookie"))
    # A token comes from a page of this server; a browser sends cookies from any page.
    no_token = {"Authorization": "", "Cookie": cookies}
    (await jp_ws_fetch(*PATH, headers=dict(no_token))).close()
    assert await handshake_status(jp_fetch, **no_token, Origin="https://elsewhere.example") == 403


async def test_handshake_needs_the_permission_to_read(jp_serverapp: Any, jp_fetch: Fetch) -> None:
    jp_serverapp.web_app.settings["authorizer"] = allow("execute", "write")(parent=jp_serverapp)
    assert await handshake_status(jp_fetch) == 403


async def test_user_with_read_permission_sees_jobs_and_cannot_change_them(
    jp_serverapp: Any, jp_ws_fetch: Fetch, cluster: Cluster
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = allow("read")(parent=jp_serverapp)
    uid = cluster.job("digits")["metadata"]["uid"]
    stream = await jp_ws_fetch(*PATH)
    await send(stream, **START)
    assert (await wait_for_message(stream, kind="jobs"))["jobs"][0]["name"] == "digits"
    await send(stream, channel=1, kind="ask", id="q", job=uid, what="delete")
    assert (await wait_for_message(stream, kind="answer"))["error"] == FORBIDDEN
    stream.close()


async def test_malformed_messages_are_ignored(jp_ws_fetch: Fetch) -> None:
    stream = await jp_ws_fetch(*PATH)
    for malformed in ("{", "null", "[]", '"ping"', b"\x00\xff", '{"channel": 1e99, "kind": "start"}'):
        await stream.write_message(malformed, binary=isinstance(malformed, bytes))
    await send(stream, kind="ping")
    assert await wait_for_message(stream, kind="pong") == {"kind": "pong"}
    stream.close()


async def test_two_tabs_get_the_same_and_close_independently(
    jp_ws_fetch: Fetch, cluster: Cluster, session_threads: RunningThreads
) -> None:
    pages = [await jp_ws_fetch(*PATH) for _ in range(2)]
    for page in pages:
        await send(page, **START)
        assert await wait_for_message(page, kind="jobs", reset=True)
    pages[0].close()
    cluster.job("digits")
    assert (await wait_for_message(pages[1], kind="jobs", reset=False))["jobs"][0]["name"] == "digits"
    pages[1].close()
    await asyncio.to_thread(session_threads.wait_for_exit)


async def test_shutdown_closes_every_stream_and_its_threads(
    jp_serverapp: Any, jp_ws_fetch: Fetch, cluster: Cluster, session_threads: RunningThreads
) -> None:
    stream = await jp_ws_fetch(*PATH)
    await send(stream, **START)
    assert await wait_for_message(stream, kind="jobs")
    assert session_threads()
    jp_serverapp.web_app.settings[OpenSockets.SETTING].close()
    assert await wait_for_message(stream, kind="never") is None
    assert stream.close_code == 1001
    stream.close()
    await asyncio.to_thread(session_threads.wait_for_exit)


async def test_tab_that_does_not_receive_is_disconnected(
    jp_serverapp: Any,
    http_server: Any,
    jp_http_port: int,
    jp_auth_header: dict[str, str],
    *,
    cluster: Cluster,
    session_threads: RunningThreads,
) -> None:
    headers = {"Host": "localhost", **HANDSHAKE, **jp_auth_header}
    lines = [
        f"GET {jp_serverapp.base_url}{'/'.join(PATH)} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port, limit=1000)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"101" in await reader.readline()
    (stream,) = jp_serverapp.web_app.settings[OpenSockets.SETTING]._open
    session = stream._session
    session.receive(START)
    await wait_until(lambda: bool(session_threads()))
    sent = 0
    while stream._session is not None and sent < 10 * module.MAX_UNSENT:
        session._send({"kind": "log", "text": "x" * 100_000}, [])
        sent += 100_000
        await asyncio.sleep(0)
    assert module.MAX_UNSENT <= sent < 10 * module.MAX_UNSENT
    await asyncio.to_thread(session_threads.wait_for_exit)
    writer.close()


def test_message_with_buffers_is_one_frame() -> None:
    assert encode({"kind": "pong"}, []) == '{"kind": "pong"}'
    frame = encode({"kind": "curves", "name": "ü"}, [b"ab", b"", b"c"])
    assert isinstance(frame, bytes)
    (length,) = struct.unpack_from("<I", frame)
    assert json.loads(frame[4 : 4 + length]) == {"kind": "curves", "name": "ü", "buffers": [2, 0, 1]}
    assert frame[4 + length :] == b"abc"
