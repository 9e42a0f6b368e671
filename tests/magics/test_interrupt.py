"""Ctrl-C while a cell waits: the first one detaches from the job, the second one stops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

import jupyter_trainjob
from jupyter_trainjob.client import interrupt
from jupyter_trainjob.client.job_lookup import read_snapshot
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.waiting import patience, wait_for

CELL = "%%trainjob halted --runtime plain --wait\nimport time\nfor i in range(200): time.sleep(0.05); report(step=i)"


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=patience(60))
        client.execute_interactive("%load_ext jupyter_trainjob", timeout=patience(60))
        yield manager, client
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        manager.shutdown_kernel(now=True)


@pytest.mark.timeout(120)
@pytest.mark.journey
def test_ctrl_c_detaches_and_prints_how_to_stop_the_job(
    cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient]
) -> None:
    manager, client = kernel
    job = start_job(client)
    manager.interrupt_kernel()
    output = "".join(printed(client))
    assert output.endswith(f"Interrupt again within 2 seconds to stop {job.name}.\n")
    while (reply := client.get_shell_msg(timeout=patience(60))["content"])["status"] == "ok":
        pass  # The reply to a cell before.
    assert (reply["status"], reply["ename"]) == ("error", "Detached"), "the cells below must not run"
    assert f"%trainjob stop {job.name}" in reply["evalue"]
    assert job.status() == State.RUNNING
    job.delete()


def test_ctrl_c_while_the_view_opens_ends_a_cell_that_waits(
    cluster: StateDir, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyter_trainjob.widget.show.show", interrupted)
    with pytest.raises(interrupt.Detached, match="keeps running"):
        shell.run(CELL)
    job = jupyter_trainjob.get("halted")
    assert not job.status().finished
    job.delete()


@pytest.mark.timeout(120)
@pytest.mark.journey
def test_second_ctrl_c_stops_the_job(cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = kernel
    job = start_job(client)
    manager.interrupt_kernel()
    texts = []
    for text in printed(client):
        texts.append(text)
        if "Interrupt again" in text:
            manager.interrupt_kernel()
    assert f"{job.name}: Stopped." in "".join(texts)
    assert (
        read_snapshot(job.name).state is State.STOPPED
    )  # As the cluster has it: what is followed here may lag behind.
    job.delete()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("waiting", ["halted.result()", "halted.wait()", "halted.results(timeout=100)"])
def test_ctrl_c_in_wait_and_result_detaches_from_the_job(
    cluster: StateDir, kernel: tuple[KernelManager, BlockingKernelClient], waiting: str
) -> None:
    manager, client = kernel
    job = start_job(client, CELL.replace("--wait", ""))
    client.execute(f"print('waiting')\n{waiting}\nprint('not reached')")
    texts, ended = [], ""
    while not ended:
        message = client.get_iopub_msg(timeout=patience(60))
        if message["msg_type"] == "stream":
            texts.append(message["content"]["text"])
            if "waiting" in texts[-1]:
                manager.interrupt_kernel()
        if message["msg_type"] == "error":
            ended = message["content"]["ename"]
            shown = message["content"]["traceback"]
    assert ended == "Detached"
    remedies = f"`%trainjob stop {job.name}` stops it, `%trainjob show {job.name}` shows it."
    assert shown == [f"Detached: {job.name} keeps running. {remedies}"]
    assert "Interrupt again" in "".join(texts)
    assert "not reached" not in "".join(texts)
    assert job.status() == State.RUNNING
    job.delete()


def start_job(client: BlockingKernelClient, cell: str = CELL) -> jupyter_trainjob.TrainJob:
    """Send the cell, and return its job once it runs."""
    client.execute(cell)
    wait_for(lambda: any(job.name.startswith("halted") for job in jupyter_trainjob.list_jobs()))
    job = jupyter_trainjob.get("halted")
    wait_for(lambda: (job.snapshot().step or 0) > 5)
    return job


def printed(client: BlockingKernelClient) -> Iterator[str]:
    """Yield the printed text of the cell until it has ended."""
    some = False
    while True:
        message = client.get_iopub_msg(timeout=patience(60))
        if message["msg_type"] == "error":
            assert message["content"]["ename"] == "Detached", message["content"]
        if message["msg_type"] == "stream":
            some = True
            yield message["content"]["text"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and some:
            return
