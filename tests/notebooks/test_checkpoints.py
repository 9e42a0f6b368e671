"""The fifth notebook: a rank of its job is killed, and the job goes on from the checkpoint that it had written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.client.jobs import get
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.worker.folder import entries
from tests.embedded import wait_for
from tests.faults.strikes import PROGRAM, runs

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "05-checkpoints.ipynb"
ENOUGH = 3
"""Checkpoints, before a rank is killed."""


@pytest.mark.timeout(180)
def test_a_job_whose_rank_is_killed_goes_on_from_its_checkpoint(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if "sent" in cell.metadata.get("tags", ()):
                name = get("digits").name
                written = cluster.jobs / "default" / name / "checkpoints"
                wait_for(lambda: len(list(entries(written))) >= ENOUGH, timeout=90)  # noqa: B023 - at once
                _rank(cluster, name).kill()

    outputs = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    begin, known = eval(_shown(outputs, "round(known"))
    assert ENOUGH <= begin < 60
    assert known > 0.9
    assert "epoch-060.pt" in _shown(outputs, "snapshot().checkpoint")
    said = str(get("digits").logs())
    assert f"begins at epoch {begin}\n" in said


def _rank(state: StateDir, job: str) -> psutil.Process:
    """Return the process of one rank of the job: the program of a pod, or the last that it started."""
    programs = [psutil.Process(run.pids[PROGRAM]["pid"]) for run in runs(state) if run.job == job]
    assert len(programs) == 2
    return [programs[-1], *programs[-1].children(recursive=True)][-1]


def _shown(outputs: dict[str, Any], part: str) -> str:
    return str(next(found for source, found in outputs.items() if part in source)[-1]["data"]["text/plain"])
