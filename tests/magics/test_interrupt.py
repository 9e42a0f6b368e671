"""Ctrl-C while a cell waits: the cell lets go, the job goes on, and the cell says how to stop it."""

from __future__ import annotations

import pytest
from jupyter_client.manager import KernelManager

import jupyter_trainjob
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state import StateDir
from tests.embedded import wait_for

CELL = "%%trainjob patient --runtime plain --wait\nimport time\nfor i in range(200): time.sleep(0.05); report(step=i)"


@pytest.mark.timeout(120)
def test_ctrl_c_detaches_and_says_how_to_stop(cluster: StateDir) -> None:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("%load_ext jupyter_trainjob", timeout=60)
        printed: list[str] = []
        client.execute(CELL)
        wait_for(lambda: any(job.name.startswith("patient") for job in jupyter_trainjob.list_jobs()), timeout=60)
        job = jupyter_trainjob.get("patient")
        wait_for(lambda: (job.snapshot().step or 0) > 5, timeout=60)
        manager.interrupt_kernel()
        while True:
            message = client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])
            if message["msg_type"] == "error":
                raise AssertionError(message["content"])
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and printed:
                break
        said = "".join(printed)
        assert "Detached" in said
        assert f"%trainjob stop {job.name}" in said
        assert job.status() is State.RUNNING
        job.delete()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
