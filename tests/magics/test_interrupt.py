"""Ctrl-C while a cell waits: the cell lets go and the job goes on; a second one stops the job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

import jupyter_trainjob
from jupyter_trainjob.client.jobs import look
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state import StateDir
from tests.embedded import wait_for

CELL = "%%trainjob patient --runtime plain --wait\nimport time\nfor i in range(200): time.sleep(0.05); report(step=i)"


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive("%load_ext jupyter_trainjob", timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.timeout(120)
def test_ctrl_c_detaches_and_says_how_to_stop(
    cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient]
) -> None:
    manager, client = kernel
    job = begun(client)
    manager.interrupt_kernel()
    said = "".join(printed(client))
    assert f"Detached: {job.name} goes on" in said
    assert f"%trainjob stop {job.name}" in said
    assert job.status() is State.RUNNING
    job.delete()


@pytest.mark.timeout(120)
def test_a_second_ctrl_c_stops_the_job(cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = kernel
    job = begun(client)
    manager.interrupt_kernel()
    said = []
    for text in printed(client):
        said.append(text)
        if "Interrupt again" in text:
            manager.interrupt_kernel()
    assert f"{job.name}: Stopped." in "".join(said)
    assert look(job.name).state is State.STOPPED  # As the cluster has it: what is followed here may lag behind.
    job.delete()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("waiting", ["patient.result()", "patient.wait()", "patient.results(timeout=100)"])
def test_ctrl_c_in_a_cell_that_waits_says_the_same(
    cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient], waiting: str
) -> None:
    manager, client = kernel
    job = begun(client, CELL.replace("--wait", ""))
    client.execute(f"print('waiting')\n{waiting}\nprint('not reached')")
    said, ended = [], ""
    while not ended:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])
            if "waiting" in said[-1]:
                manager.interrupt_kernel()
        if message["msg_type"] == "error":
            ended = message["content"]["ename"]
    assert ended == "Detached"
    assert f"Detached: {job.name} goes on" in "".join(said)
    assert f"%trainjob show {job.name}" in "".join(said)
    assert "not reached" not in "".join(said)
    assert job.status() is State.RUNNING
    job.delete()


def begun(client: BlockingKernelClient, cell: str = CELL) -> jupyter_trainjob.TrainJob:
    """Send the cell, and return its job once it runs."""
    client.execute(cell)
    wait_for(lambda: any(job.name.startswith("patient") for job in jupyter_trainjob.list_jobs()), timeout=60)
    job = jupyter_trainjob.get("patient")
    wait_for(lambda: (job.snapshot().step or 0) > 5, timeout=60)
    return job


def printed(client: BlockingKernelClient) -> Iterator[str]:
    """Yield what the cell prints, until it is over."""
    some = False
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "error":
            raise AssertionError(message["content"])
        if message["msg_type"] == "stream":
            some = True
            yield message["content"]["text"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and some:
            return
