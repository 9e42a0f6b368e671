"""Who may have a stream, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from jupyter_trainjob.server import stream as module
from jupyter_trainjob.server.stream import Streams, encode
from jupyter_trainjob.server.tab import FORBIDDEN
from tests.embedded import wait_for
from tests.server.cluster import NAME, Cluster
from tests.server.test_tab import threads

Fetch = Callable[..., Any]
PATH = ("jupyter-trainjob", "stream")
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
START = {"kind": "start", "channel": 1, "context": NAME, "namespace": None, "list": True}


class OnlySome(Authorizer):
    """Allows some actions on jobs, and everything else; may be asked to take its time, as one that asks a server."""

    allowed: frozenset[str] = frozenset()

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        await asyncio.sleep(0)
        return resource != "trainjob" or action in self.allowed


def only(*actions: str) -> type[OnlySome]:
    return type("Only", (OnlySome,), {"allowed": frozenset(actions)})


async def say(stream: Any, **content: Any) -> None:
    await stream.write_message(json.dumps(content))


async def hear(stream: Any, **wanted: Any) -> Any:
    """Return the first message that has these entries; None: the stream has ended."""
    while (frame := await asyncio.wait_for(stream.read_message(), 20)) is not None:
        content = json.loads(frame) if isinstance(frame, str) else {}
        if wanted.items() <= content.items():
            return content
    return None


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, condition, 20)


async def refused(fetch: Fetch, **headers: str) -> int:
    """Return the status that answers the handshake."""
    with pytest.raises(HTTPClientError) as error:
        await fetch(*PATH, headers={**HANDSHAKE, **headers})
    return error.value.code


async def test_who_is_not_logged_in_has_no_stream(jp_fetch: Fetch) -> None:
    assert await refused(jp_fetch, Authorization="token wrong") == 403


async def test_a_page_from_elsewhere_has_no_stream(
    jp_fetch: Fetch, jp_ws_fetch: Fetch, jp_auth_header: dict[str, str]
) -> None:
    token = jp_auth_header["Authorization"].split()[1]
    login = await jp_fetch("api", "me", params={"token": token})
    cookies = "; ".join(each.split(";")[0] for each in login.headers.get_list("Set-Cookie"))
    # Who sends the token has it from the page that we made; a browser that is logged in sends cookies from any page.
    no_token = {"Authorization": "", "Cookie": cookies}
    (await jp_ws_fetch(*PATH, headers=dict(no_token))).close()
    assert await refused(jp_fetch, **no_token, Origin="https://elsewhere.example") == 403


async def test_who_may_not_read_jobs_has_no_stream(jp_serverapp: Any, jp_fetch: Fetch) -> None:
    jp_serverapp.web_app.settings["authorizer"] = only("execute", "write")(parent=jp_serverapp)
    assert await refused(jp_fetch) == 403


async def test_who_may_only_read_them_sees_jobs_and_is_told_that_they_cannot_change_them(
    jp_serverapp: Any, jp_ws_fetch: Fetch, cluster: Cluster
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = only("read")(parent=jp_serverapp)
    uid = cluster.job("digits")["metadata"]["uid"]
    stream = await jp_ws_fetch(*PATH)
    await say(stream, **START)
    assert (await hear(stream, kind="jobs"))["jobs"][0]["name"] == "digits"
    await say(stream, channel=1, kind="ask", id="q", job=uid, what="delete")
    assert (await hear(stream, kind="answer"))["error"] == FORBIDDEN
    stream.close()


async def test_a_page_that_asks_is_answered_whatever_nonsense_came_before(jp_ws_fetch: Fetch) -> None:
    stream = await jp_ws_fetch(*PATH)
    for nonsense in ("{", "null", "[]", '"ping"', b"\x00\xff", '{"channel": 1e99, "kind": "start"}'):
        await stream.write_message(nonsense, binary=isinstance(nonsense, bytes))
    await say(stream, kind="ping")
    assert await hear(stream, kind="pong") == {"kind": "pong"}
    stream.close()


async def test_two_pages_are_told_the_same_and_one_outlives_the_other(jp_ws_fetch: Fetch, cluster: Cluster) -> None:
    pages = [await jp_ws_fetch(*PATH) for _ in range(2)]
    for page in pages:
        await say(page, **START)
        assert await hear(page, kind="jobs", reset=True)
    pages[0].close()
    cluster.job("digits")
    assert (await hear(pages[1], kind="jobs", reset=False))["jobs"][0]["name"] == "digits"
    pages[1].close()
    await until(lambda: not threads())


async def test_the_end_of_the_server_ends_every_stream_and_its_threads(
    jp_serverapp: Any, jp_ws_fetch: Fetch, cluster: Cluster
) -> None:
    stream = await jp_ws_fetch(*PATH)
    await say(stream, **START)
    assert await hear(stream, kind="jobs")
    assert threads()
    jp_serverapp.web_app.settings[Streams.SETTING].close()
    assert await hear(stream, kind="never") is None
    assert stream.close_code == 1001
    stream.close()
    await until(lambda: not threads())


async def test_a_page_that_takes_nothing_is_cut_off_and_nothing_is_left_of_it(
    jp_serverapp: Any, http_server: Any, jp_http_port: int, jp_auth_header: dict[str, str], cluster: Cluster
) -> None:
    headers = {"Host": "localhost", **HANDSHAKE, **jp_auth_header}
    lines = [
        f"GET {jp_serverapp.base_url}{'/'.join(PATH)} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port, limit=1000)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"101" in await reader.readline()
    (stream,) = jp_serverapp.web_app.settings[Streams.SETTING]._open
    tab = stream._tab
    tab.receive(START)
    await until(lambda: bool(threads()))
    sent = 0
    while stream._tab is not None and sent < 10 * module.UNSENT:
        tab._send({"kind": "log", "text": "x" * 100_000}, [])
        sent += 100_000
        await asyncio.sleep(0)
    assert module.UNSENT <= sent < 10 * module.UNSENT
    await until(lambda: not threads())
    writer.close()


def test_a_message_with_parts_is_one_frame() -> None:
    assert encode({"kind": "pong"}, []) == '{"kind": "pong"}'
    frame = encode({"kind": "curves", "name": "ü"}, [b"ab", b"", b"c"])
    assert isinstance(frame, bytes)
    (length,) = struct.unpack_from("<I", frame)
    assert json.loads(frame[4 : 4 + length]) == {"kind": "curves", "name": "ü", "buffers": [2, 0, 1]}
    assert frame[4 + length :] == b"abc"
