"""The sidebar with two thousand jobs: cost on the server, size of messages, and speed of the page.

The jobs exist on an embedded cluster; server and page are those of the browser tests. There is no peer with a live list
of jobs.
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
from jupyter_trainjob.client.job_list import job_list
from tests.ui import tools
from tests.ui.lab import many
from tests.ui.lab.many.jobs import COUNT, NAMESPACE, many_jobs
from tests.ui.lab.server import Server, jupyter_server
from tests.waiting import wait_for

RUNS = 15
SCENE = f"sidebar, {COUNT:,} jobs"


def rows() -> Iterable[Row]:
    """Measure; takes minutes for creating the jobs and starting JupyterLab."""
    with jobs.cluster(), tempfile.TemporaryDirectory(prefix="trainjob-bench-") as folder, many_jobs():
        first, one = _derivations()
        yield Row(f"{SCENE}: first list on the server", [first], "ms", "–")
        yield Row(f"{SCENE}: list with one change on the server", one, "ms", "≤ 50")
        with jupyter_server(Path(folder)) as server:
            first_size, change, waits = asyncio.run(_stream(server))
            yield Row(f"{SCENE}: sent at first", [first_size / 1000], "kB", "–")
            yield Row(f"{SCENE}: sent for one change", [change / 1000], "kB", "≤ 1")
            yield Row(f"{SCENE}: longest wait of another request meanwhile", [max(waits)], "ms", "≤ 100")
            measured = _page(server)
        yield Row(f"{SCENE}: first list in the page", measured["first list"], "ms", "–")
        yield Row(f"{SCENE}: filter, from key to painted list", measured["filter"], "ms", "≤ 100")


def _derivations() -> tuple[float, list[float]]:
    """Return the milliseconds of the first derivation of all jobs, and of those after one job has changed."""
    jobs, changed_event = job_list(namespace=NAMESPACE), threading.Event()
    unsubscribe = jobs.subscribe(changed_event.set)
    try:
        wait_for(lambda: jobs.synced)
        first = _timed(jobs.snapshots)
        changed = []
        for run in range(RUNS):
            changed_event.clear()
            _change(suspend=run % 2 == 1)
            changed_event.wait(10)
            changed.append(_timed(jobs.snapshots))
        return first, changed
    finally:
        unsubscribe()


def _timed(do: Any) -> float:
    started_at = time.perf_counter()
    do()
    return (time.perf_counter() - started_at) * 1000


def _change(*, suspend: bool) -> None:
    """Change the state of one job."""
    context.connect().client.patch(TRAINJOBS, "needle", {"spec": {"suspend": suspend}}, namespace=NAMESPACE)


async def _stream(server: Server) -> tuple[int, int, list[float]]:
    """Return the bytes of the first list and of one change, and the milliseconds of other requests meanwhile."""
    headers = {"Authorization": f"token {server.token}"}
    address = server.url.replace("http", "ws", 1) + "/jupyter-trainjob/stream"
    stream = await websocket_connect(HTTPRequest(address, headers=headers), max_message_size=2**26)
    waits: list[float] = []

    async def get_status() -> None:
        await AsyncHTTPClient().fetch(f"{server.url}/api/status", headers=headers)

    async def poll() -> None:
        while True:
            started_at = time.perf_counter()
            await get_status()
            waits.append((time.perf_counter() - started_at) * 1000)

    async def next_list_size() -> int:
        while True:
            message = await stream.read_message()
            if isinstance(message, str) and json.loads(message)["kind"] == "jobs":
                return len(message)

    await get_status()  # The first takes as long as a connection does.
    polling = asyncio.create_task(poll())
    start = {"kind": "start", "channel": 1, "context": None, "namespace": NAMESPACE, "list": True}
    await stream.write_message(json.dumps(start))
    first_size = await next_list_size()
    await asyncio.to_thread(_change, suspend=True)
    change_size = await next_list_size()
    polling.cancel()
    stream.close()
    return first_size, change_size, waits


def _page(server: Server) -> dict[str, list[float]]:
    """Return the milliseconds that the browser test measures, by name."""
    output = tools.run(Path(many.__file__).parent / "many-jobs.mjs", server.options(), timeout=110)
    lines = [line.removesuffix(" ms").split(": ") for line in output.splitlines() if line.endswith(" ms")]
    return {name: [float(number) for number in times.split()] for name, times in lines}
