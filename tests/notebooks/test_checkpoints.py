"""The fifth notebook: a job whose rank is killed continues from its checkpoint."""

from __future__ import annotations

from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.client.queries import get
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.worker.storage.job_dirs import list_checkpoints
from tests.faults.strikes import PROGRAM, runs
from tests.paths import ROOT
from tests.waiting import patience, wait_for

NOTEBOOK = ROOT / "notebooks" / "05-checkpoints.ipynb"
ENOUGH = 3
"""Checkpoints, before a rank is killed."""


@pytest.mark.timeout(180)
@pytest.mark.journey
def test_job_with_a_killed_rank_continues_from_its_checkpoint(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=int(patience(120)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if "sent" in cell.metadata.get("tags", ()):
                name = get("digits").name
                written = cluster.jobs / "default" / name / "checkpoints"
                wait_for(lambda: len(list(list_checkpoints(written))) >= ENOUGH, limit=90)  # noqa: B023 - at once
                _rank(cluster, name).kill()

    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    begin, known = eval(_shown(outputs, "round(known"))
    assert ENOUGH <= begin < 60
    assert known > 0.9
    assert "epoch-060.pt" in _shown(outputs, "snapshot().checkpoint")
    log = str(get("digits").logs())
    assert f"begins at epoch {begin}\n" in log


def _rank(state: StateDir, job: str) -> psutil.Process:
    """Return the process of one rank: the pod's program, or the last child that it started."""
    programs = [psutil.Process(run.pids[PROGRAM]["pid"]) for run in runs(state) if run.job == job]
    assert len(programs) == 2
    return [programs[-1], *programs[-1].children(recursive=True)][-1]


def _shown(outputs: dict[str, Any], part: str) -> str:
    return str(next(output for source, output in outputs.items() if part in source)[-1]["data"]["text/plain"])
