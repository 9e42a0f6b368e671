"""The sidebar with two thousand jobs: what a look costs the server, what it sends, and how the page keeps up.

The jobs are real ones of an embedded cluster, server and page those of the test in a browser. No peer lists jobs live.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from bench import jobs
from bench.table import Row
from jupyter_trainjob.api.resources import TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.board import board
from tests.embedded import wait_for
from tests.ui import tools
from tests.ui.lab import many
from tests.ui.lab.many.jobs import COUNT, NAMESPACE, many_jobs
from tests.ui.lab.server import Server, jupyter_server

RUNS = 15
SCENE = f"sidebar, {COUNT:,} jobs"


def rows() -> Iterable[Row]:
    """Measure; most of the time goes into the jobs, and into starting JupyterLab."""
    with jobs.cluster(), tempfile.TemporaryDirectory(prefix="trainjob-bench-") as folder, many_jobs():
        first, one = _looks()
        yield Row(f"{SCENE}: first look", [first], "ms", "–")
        yield Row(f"{SCENE}: a look with one change", one, "ms", "≤ 50")
        with jupyter_server(Path(folder)) as server:
            whole, change, waits = asyncio.run(_stream(server))
            yield Row(f"{SCENE}: sent at first", [whole / 1000], "kB", "–")
            yield Row(f"{SCENE}: sent for one change", [change / 1000], "kB", "≤ 1")
            yield Row(f"{SCENE}: longest wait of another request meanwhile", [max(waits)], "ms", "≤ 100")
            said = _page(server)
        yield Row(f"{SCENE}: first list in the page", said["first list"], "ms", "–")
        yield Row(f"{SCENE}: filter, from key to painted list", said["filter"], "ms", "≤ 100")


def _looks() -> tuple[float, list[float]]:
    """Return the milliseconds of the first look at the jobs, and of looks after one has changed."""
    found, heard = board(namespace=NAMESPACE), threading.Event()
    unsubscribe = found.subscribe(heard.set)
    try:
        wait_for(lambda: found.synced)
        first = _timed(found.snapshots)
        changed = []
        for run in range(RUNS):
            heard.clear()
            _change(suspend=run % 2 == 1)
            heard.wait(10)
            changed.append(_timed(found.snapshots))
        return first, changed
    finally:
        unsubscribe()


def _timed(do: Any) -> float:
    began = time.perf_counter()
    do()
    return (time.perf_counter() - began) * 1000


def _change(*, suspend: bool) -> None:
    """Let one job show another state."""
    context.connect().client.patch(TRAINJOBS, "needle", {"spec": {"suspend": suspend}}, namespace=NAMESPACE)


async def _stream(server: Server) -> tuple[int, int, list[float]]:
    """Return the bytes of the first list, and of one change, and how long others waited for an answer meanwhile."""
    headers = {"Authorization": f"token {server.token}"}
    address = server.url.replace("http", "ws", 1) + "/jupyter-trainjob/stream"
    stream = await websocket_connect(HTTPRequest(address, headers=headers), max_message_size=2**26)
    waits: list[float] = []

    async def ask() -> None:
        await AsyncHTTPClient().fetch(f"{server.url}/api/status", headers=headers)

    async def ask_on() -> None:
        while True:
            began = time.perf_counter()
            await ask()
            waits.append((time.perf_counter() - began) * 1000)

    async def jobs_of() -> int:
        while True:
            message = await stream.read_message()
            if isinstance(message, str) and json.loads(message)["kind"] == "jobs":
                return len(message)

    await ask()  # The first takes as long as a connection does.
    asking = asyncio.create_task(ask_on())
    start = {"kind": "start", "channel": 1, "context": None, "namespace": NAMESPACE, "list": True}
    await stream.write_message(json.dumps(start))
    whole = await jobs_of()
    await asyncio.to_thread(_change, suspend=True)
    change = await jobs_of()
    asking.cancel()
    stream.close()
    return whole, change, waits


def _page(server: Server) -> dict[str, list[float]]:
    """Return the milliseconds that the browser's test says, by what they are of."""
    said = tools.run(Path(many.__file__).parent / "many.mjs", server.options(), timeout=110)
    lines = [line.removesuffix(" ms").split(": ") for line in said.splitlines() if line.endswith(" ms")]
    return {what: [float(each) for each in times.split()] for what, times in lines}
