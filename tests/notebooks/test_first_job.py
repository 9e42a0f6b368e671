"""The first notebook in a real kernel: a training on eight nodes."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.client.queries import list_jobs
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience

NOTEBOOK = ROOT / "notebooks" / "01-first-job.ipynb"
MOST_BYTES = 400_000


@pytest.mark.timeout(300)
def test_job_of_eight_nodes_trains_a_model_and_returns_its_weights(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=int(patience(280)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    by_source = {cell.source: cell for cell in code}
    accuracy = float(text_of(by_source["digits.result()"]))
    assert accuracy >= 0.95

    predicted, truth = eval(text_of(next(cell for cell in code if "load_state_dict" in cell.source)))
    assert sum(a == b for a, b in zip(predicted, truth, strict=True)) >= 8

    plot = next(cell for cell in code if ".plot(" in cell.source)
    assert any("image/png" in output.get("data", {}) for output in plot.outputs)

    (job,) = list_jobs()
    assert job.status() == State.COMPLETE
    metrics = job.metrics()
    assert set(metrics["rank"]) == set(range(8))
    assert {"rank", "time", "step", "loss", "accuracy"} <= set(metrics)

    view = next(cell for cell in code if cell.source.startswith("%%trainjob"))
    (shown,) = (output["data"] for output in view.outputs if "data" in output)
    assert "Complete" in shown["text/plain"]
    assert "data:image/svg+xml;base64," in shown["text/html"]
    assert len(nbformat.writes(notebook)) < MOST_BYTES


def text_of(cell: nbformat.NotebookNode) -> str:
    # What a wait shows comes before the value.
    return str([output["data"]["text/plain"] for output in cell.outputs if "data" in output][-1])
