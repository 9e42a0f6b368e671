"""The third notebook: resource limits, retries, deadlines, stop and resume."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.client.queries import list_jobs
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience

NOTEBOOK = ROOT / "notebooks" / "03-steering.ipynb"


@pytest.mark.timeout(180)
def test_job_is_limited_restarted_stopped_and_resumed(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=int(patience(120)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    outputs = {cell.source: _text(cell) for cell in notebook.cells if cell.cell_type == "code"}

    def of(part: str) -> str:
        return next(text for source, text in outputs.items() if part in source)

    assert "isolation" in of("%trainjob doctor")
    assert "torch-distributed" in of("%trainjob runtimes")
    assert "4000 CPUs" in of("--cpus 4000")
    assert "OOMKilled" in of("greedy.result()")
    assert "the second try works" in of("stubborn.result()")
    assert "RestartJobSet" in of("events.type")
    assert "was stopped" in of("steered.stop()")
    assert "arrived" in of("steered.resume()")
    states = {job.name.partition("-")[0]: job.status() for job in list_jobs()}
    assert states == {"greedy": State.FAILED, "stubborn": State.COMPLETE, "steered": State.COMPLETE}


def _text(cell: Any) -> str:
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(output.evalue)
        else:
            texts.append(output.data.get("text/plain", ""))
    return "\n".join(texts)
