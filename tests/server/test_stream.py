"""Who may have a stream, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

Fetch = Callable[..., Any]
PATH = ("jupyter-trainjob", "stream")


async def test_who_is_not_logged_in_has_no_stream(jp_ws_fetch: Fetch) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch(*PATH, headers={"Authorization": "token wrong"})
    assert refused.value.code == 403


async def test_a_page_that_asks_is_answered(jp_ws_fetch: Fetch) -> None:
    stream = await jp_ws_fetch(*PATH)
    await stream.write_message(json.dumps({"kind": "ping"}))
    assert json.loads(await stream.read_message()) == {"kind": "pong"}
    stream.close()
