"""The fourth notebook: the view of a job in the cell, and what a saved notebook keeps of it."""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.waiting import patience

NOTEBOOK = ROOT / "notebooks" / "04-watching.ipynb"
JOB = "application/vnd.jupyter-trainjob.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
FORMS = {JOB, WIDGET, "text/html", "text/plain"}
MOST = 200_000
"""Bytes of an output."""


@pytest.mark.timeout(180)
def test_jobs_are_watched_compared_and_rerun(cluster: StateDir) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=int(patience(120)), resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    cells = {cell.source: cell for cell in notebook.cells if cell.cell_type == "code"}

    def of(part: str) -> Any:
        return next(cell for source, cell in cells.items() if part in source)

    states = {name: _view(of(f"trainjob {name}")) for name in ("gentle", "bold", "faulty")}
    assert {name: view[JOB]["state"] for name, view in states.items()} == {
        "gentle": "Complete",
        "bold": "Complete",
        "faulty": "Failed",
    }
    for view in states.values():
        assert set(view) == FORMS
        assert len(json.dumps(view)) <= MOST
        assert "data:image/svg+xml;base64," in view["text/html"]
    assert "ZeroDivisionError" in states["faulty"]["text/html"]
    raised = of("faulty.result()").outputs[-1]
    assert raised.ename == "ZeroDivisionError"
    shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(raised.traceback))
    assert "----> 4 share = 100 // (3 - int(os.environ" in shown
    assert "rank 3 (of 0–3) failed first" in shown
    assert of("again.result()").outputs[-1].data["text/plain"] == "True"
    assert of("to_magic").outputs[0].text.startswith("%%trainjob gentle --nodes 4 --runtime plain")
    assert "gentle-" in _view(of("panel()"))["text/plain"]
    assert _view(of("%trainjob show"))[JOB]["name"].startswith("gentle-")


def _view(cell: Any) -> dict[str, Any]:
    return next(output.data for output in cell.outputs if WIDGET in output.get("data", {}))
