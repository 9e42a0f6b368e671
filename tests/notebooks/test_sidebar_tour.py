"""The sixth notebook: a tour of the sidebar, whose cells make what the list then shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.cluster.state import StateDir

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06-sidebar.ipynb"


@pytest.mark.timeout(120)
def test_the_tour_makes_what_it_tells_of(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()

    def of(part: str) -> Any:
        return next(cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source)

    loss = 1.0
    for _ in range(200):
        loss *= 0.9
    assert float(of("tour.result()").outputs[-1].data["text/plain"]) == pytest.approx(loss)
    assert "QUEUED" in of("second.status()").outputs[-1].data["text/plain"]
    shown = "".join(output.get("text", "") for output in of("%trainjob list").outputs)
    assert all(name in shown for name in ("tour-", "first-", "second-")), shown
