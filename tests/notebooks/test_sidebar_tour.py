"""The sixth notebook: a tour of the sidebar, whose cells create the jobs that it shows."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience

NOTEBOOK = ROOT / "notebooks" / "06-sidebar.ipynb"


@pytest.mark.timeout(120)
def test_tour_creates_the_jobs_that_it_describes(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=int(patience(90)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()

    def of(part: str) -> Any:
        return next(cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source)

    loss = 1.0
    for _ in range(200):
        loss *= 0.9
    assert float(of("tour.result()").outputs[-1].data["text/plain"]) == pytest.approx(loss)
    assert "Queued" in of("second.status()").outputs[-1].data["text/plain"]
    shown = "".join(output.get("text", "") for output in of("%trainjob list").outputs)
    assert all(name in shown for name in ("tour-", "first-", "second-")), shown
