"""Jobs of an embedded cluster in real kernels: what a page asks is done while a cell waits, what a notebook keeps is
complete when its cell is, and a job comes to life again in a kernel that was started anew.
"""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import jupyter_trainjob
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state import StateDir
from tests.unit.widget.kernels import ROOT, Kernel, started

JOB_MIME = "application/vnd.jupyter-trainjob.v1+json"
FORMS = {JOB_MIME, "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
PATIENT = """%%trainjob patient --runtime plain --nodes 2
import time
print("it begins")
for step in range(2_000):
    report(step=step, total=2_000, loss=1 / (step + 1))
    time.sleep(0.02)
"""


@pytest.mark.timeout(180)
def test_a_page_does_all_to_a_job_while_a_cell_waits_for_it(cluster: StateDir) -> None:
    with started() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        kernel.run(PATIENT)
        comm = kernel.opened()
        uid = kernel.shown()["data"][JOB_MIME]["uid"]
        kernel.tell(comm, {"kind": "ready"})
        while not any(line[3] == "it begins" for line in kernel.said("log", job=uid)["lines"]):
            pass
        assert kernel.said("curves", job=uid)["curves"][0]["name"] == "loss"
        assert len(kernel.said("nodes", job=uid)["nodes"]) == 2

        kernel.run("try: patient.wait()\nexcept Exception as error: print(type(error).__name__)")
        kernel.until(lambda m: m["msg_type"] == "execute_input")
        assert answered(kernel, comm, uid, "stop")["ok"]
        kernel.until(lambda m: m["msg_type"] == "stream" and "JobStopped" in m["content"]["text"])
        assert answered(kernel, comm, uid, "resume")["ok"]

        again = answered(kernel, comm, uid, "rerun")
        assert again["uid"] != uid
        kernel.tell(comm, {"kind": "open", "job": again["uid"]})
        assert kernel.said("head", job=again["uid"])["head"]["name"] == again["name"]
        assert answered(kernel, comm, again["uid"], "delete")["ok"]

        kernel.run("%trainjob show patient\n%trainjob show patient")
        assert kernel.opened() != kernel.opened()
        readers = "sum(each.name.startswith('trainjob-log-patient') for each in threading.enumerate())"
        count = kernel.printed(f"import threading\nprint({readers})")
        assert int(count) <= 2, "all views of a job share what reads its logs"
        assert answered(kernel, comm, uid, "delete")["ok"]
        assert answered(kernel, comm, uid, "stop")["ok"], "of a job that is gone nothing is left to be stopped"
    assert [job.name for job in jupyter_trainjob.list_jobs() if job.name.startswith("patient")] == []


@pytest.mark.timeout(180)
def test_a_notebook_that_runs_without_a_page_keeps_the_end_of_each_job(cluster: StateDir) -> None:
    report = "for step in range(5): report(step=step, loss=1 / (step + 1))\nprint('the last word')\n'done'"
    cells = [
        "%load_ext jupyter_trainjob",
        f"%%trainjob first --runtime plain\n{report}",
        "first.result()",
        f"%%trainjob second --runtime plain --wait\n{report}",
        "%%trainjob third --runtime plain\nraise ValueError('no good')",
        "third.wait()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell, state in ((1, "Complete"), (3, "Complete"), (4, "Failed")):
        data = output(notebook.cells[cell])
        assert set(data) == FORMS
        assert data[JOB_MIME]["state"] == state
        assert data["text/plain"].split()[1] == state
        assert ("the last word" in data["text/html"]) is (state == "Complete")
        assert len(json.dumps(data)) < 200_000
    assert "ValueError: no good" in output(notebook.cells[4])["text/plain"]


@pytest.mark.timeout(180)
def test_a_job_comes_to_life_again_in_a_new_kernel_and_in_a_panel(cluster: StateDir) -> None:
    with started() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        kernel.run(PATIENT)
        uid = kernel.shown()["data"][JOB_MIME]["uid"]
    with started() as kernel:
        kernel.run("import jupyter_trainjob\njupyter_trainjob.panel()")
        panel = kernel.opened()
        assert "patient" in kernel.shown()["data"]["text/plain"]
        kernel.tell(panel, {"kind": "ready"})
        first = row_of(kernel, uid)
        assert first["state"] == "Running"
        while (row_of(kernel, uid)["progress"] or 0) <= (first["progress"] or 0):
            pass  # Nobody follows it, and yet the list sees how far it is.
        kernel.tell(panel, {"kind": "open", "job": uid})
        assert kernel.said("head", job=uid)["head"]["state"] == "Running"

        kernel.run("%load_ext jupyter_trainjob\n%trainjob show patient")
        comm = kernel.opened()
        assert kernel.shown()["data"][JOB_MIME]["uid"] == uid
        kernel.tell(comm, {"kind": "ready"})
        assert kernel.said("curves", job=uid)["curves"][0]["points"] > 0
        assert answered(kernel, panel, uid, "stop")["ok"]
    job = jupyter_trainjob.get("patient")
    assert job.status() is State.STOPPED
    job.delete()


def answered(kernel: Kernel, comm: str, job: str, what: str) -> dict[str, Any]:
    """Ask, and return the answer."""
    request = f"{what}-{job}"
    kernel.tell(comm, {"kind": "ask", "id": request, "job": job, "what": what})
    return kernel.said("answer", id=request)


def row_of(kernel: Kernel, uid: str) -> dict[str, Any]:
    """Return the next row of a job in a list of jobs."""
    while True:
        for row in kernel.said("jobs")["jobs"]:
            if row["uid"] == uid:
                return dict(row)


def output(cell: Any) -> dict[str, Any]:
    """Return the one output of a cell that shows a job."""
    (data,) = [dict(each.data) for each in cell.outputs if each.output_type == "display_data"]
    return data
