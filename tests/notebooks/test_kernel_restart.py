"""The second notebook: its kernel restarts while the job runs, and the job is opened with its whole history."""

from __future__ import annotations

import nbformat
import pytest
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

from jupyter_trainjob.client.queries import get
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience, wait_for

NOTEBOOK = ROOT / "notebooks" / "02-kernel-restart.ipynb"


@pytest.mark.timeout(180)
@pytest.mark.journey
def test_job_is_opened_after_a_kernel_restart_with_its_whole_history(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=int(patience(120)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if "after" in cell.metadata.get("tags", ()):
                break
            client.execute_cell(cell, index)
        job = get("longer")
        wait_for(lambda: (job.snapshot().step or 0) > 20)
        run_sync(client.km.restart_kernel)(now=True)
        run_sync(client.kc.wait_for_ready)(timeout=patience(60))
        assert not job.status().finished, "the kernel was restarted too late to show anything"
        for later, cell in enumerate(notebook.cells[index:], start=index):
            client.execute_cell(cell, later)

    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    result = next(output for source, output in outputs.items() if source.endswith("longer.result()"))
    assert result[-1]["data"]["text/plain"] == "'arrived'"
    ranks, first, last, count = eval(
        next(output for source, output in outputs.items() if "len(metrics" in source)[-1]["data"]["text/plain"]
    )
    assert (ranks, first, last, count) == ([0, 1], 1, 300, 600)
    printed = next(output for source, output in outputs.items() if "longer.logs()" in source)[-1]["text"]
    assert [line for line in printed.splitlines() if line.startswith("0 |")] == [
        "0 | step 100",
        "0 | step 200",
        "0 | step 300",
    ]
    assert job.status() == State.COMPLETE
