"""The widget in a real kernel: what threads send reaches the front end, and the front end is heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parents[3]
SETUP = """
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget.show import show
from tests.unit.widget.jobs import FakeJob, columns, lines, running
job = FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))
shown = show(job)
"""


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(cwd=str(ROOT))
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_job_in_a_notebook(kernel: BlockingKernelClient) -> None:
    kernel.execute(SETUP)
    opened = until(kernel, lambda m: m["msg_type"] == "comm_open" and "state" in m["content"]["data"]["state"])
    shown = until(kernel, lambda m: m["msg_type"] == "display_data")
    comm, place = opened["content"]["comm_id"], shown["content"]["transient"]["display_id"]
    assert shown["content"]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == comm

    tell(kernel, comm, {"kind": "ready"})
    assert until(kernel, is_custom("log"))["content"]["data"]["content"]["lines"][0][1:] == [1.0, 0, "a"]
    assert len(until(kernel, is_custom("curves"))["buffers"][0]) == 32

    tell(kernel, comm, {"kind": "ask", "id": "a-1", "job": "uid-1", "what": "stop"})
    kernel.execute(
        "import time\nwhile not job.deeds: time.sleep(0.01)\njob.change(state=State.COMPLETE, finished=251.0)"
    )
    last = until(kernel, lambda m: m["msg_type"] == "update_display_data")["content"]
    assert last["transient"]["display_id"] == place
    assert set(last["data"]) == {"text/plain", "text/html"}
    assert "took 2:31" in last["data"]["text/html"]
    until(kernel, lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == comm)


def is_custom(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: (
        message["msg_type"] == "comm_msg"
        and message["content"]["data"].get("method") == "custom"
        and message["content"]["data"]["content"]["kind"] == kind
    )


def tell(kernel: BlockingKernelClient, comm: str, content: dict[str, Any]) -> None:
    data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
    kernel.shell_channel.send(kernel.session.msg("comm_msg", data))


def until(kernel: BlockingKernelClient, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        message: dict[str, Any] = kernel.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
        assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
        if wanted(message):
            return message
