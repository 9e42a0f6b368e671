"""The widget with jobs of an embedded cluster in real kernels: requests, saved outputs, and restarted kernels."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import jupyter_trainjob
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.paths import ROOT
from tests.unit.widget.kernels import Kernel, start_kernel
from tests.waiting import patience, wait_for

JOB_MIME = "application/vnd.jupyter-trainjob.v1+json"
FORMS = {JOB_MIME, "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
PATIENT = """%%trainjob paged --runtime plain --nodes 2
import time
print("it begins")
for step in range(2_000):
    report(step=step, total=2_000, loss=1 / (step + 1))
    time.sleep(0.02)
"""


@pytest.mark.timeout(180)
@pytest.mark.journey
def test_front_end_requests_are_handled_while_a_cell_waits(cluster: StateDir) -> None:
    with start_kernel() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        kernel.run(PATIENT)
        comm = kernel.wait_for_comm()
        uid = kernel.wait_for_view()["data"][JOB_MIME]["uid"]
        kernel.send_message(comm, {"kind": "ready"})
        while not any(line[3] == "it begins" for line in kernel.wait_for_message("log", job=uid)["lines"]):
            pass
        assert kernel.wait_for_message("curves", job=uid)["curves"][0]["name"] == "loss"
        assert len(kernel.wait_for_message("nodes", job=uid)["nodes"]) == 2

        kernel.run("try: paged.wait()\nexcept Exception as error: print(type(error).__name__)")
        kernel.wait_for(lambda m: m["msg_type"] == "execute_input")
        # The reply and the end of the wait come in any order.
        messages: list[dict[str, Any]] = []
        kernel.send_message(comm, {"kind": "ask", "id": "stop", "job": uid, "what": "stop"})
        while len(messages) < 2:
            messages.append(kernel.wait_for(lambda m: is_answer(m, "stop") or is_printed(m, "JobStopped")))
        (answer,) = (message for message in messages if is_answer(message, "stop"))
        assert answer["content"]["data"]["content"]["ok"]
        assert answered(kernel, comm, uid, "resume")["ok"]

        again = answered(kernel, comm, uid, "rerun")
        assert again["uid"] != uid
        kernel.send_message(comm, {"kind": "open", "job": again["uid"]})
        assert kernel.wait_for_message("head", job=again["uid"])["head"]["name"] == again["name"]
        assert answered(kernel, comm, again["uid"], "delete")["ok"]

        kernel.run("%trainjob show paged\n%trainjob show paged")
        assert kernel.wait_for_comm() != kernel.wait_for_comm()
        readers = "sum(each.name.startswith('trainjob-log-paged') for each in threading.enumerate())"
        count = kernel.run_and_read(f"import threading\nprint({readers})")
        assert int(count) <= 2, "all views of a job share what reads its logs"
        assert answered(kernel, comm, uid, "delete")["ok"]
        assert answered(kernel, comm, uid, "stop")["ok"], "of a job that is gone nothing is left to be stopped"
    # What is deleted goes once its pods have ended.
    wait_for(lambda: not any(job.name.startswith("paged") for job in jupyter_trainjob.list_jobs()))


@pytest.mark.timeout(180)
@pytest.mark.journey
def test_notebook_without_a_front_end_saves_the_final_state_of_each_job(cluster: StateDir) -> None:
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
    NotebookClient(notebook, timeout=int(patience(90)), resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell, state in ((1, "Complete"), (3, "Complete"), (4, "Failed")):
        data = output(notebook.cells[cell])
        assert set(data) == FORMS
        assert data[JOB_MIME]["state"] == state
        assert data["text/plain"].split()[1] == state
        assert ("the last word" in data["text/html"]) is (state == "Complete")
        assert len(json.dumps(data)) < 200_000
    assert "ValueError: no good" in output(notebook.cells[4])["text/plain"]


@pytest.mark.timeout(180)
def test_job_is_opened_in_a_new_kernel_and_from_a_panel(cluster: StateDir) -> None:
    with start_kernel() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        kernel.run(PATIENT)
        uid = kernel.wait_for_view()["data"][JOB_MIME]["uid"]
    with start_kernel() as kernel:
        kernel.run("import jupyter_trainjob\njupyter_trainjob.panel()")
        panel = kernel.wait_for_comm()
        assert "paged" in kernel.wait_for_view()["data"]["text/plain"]
        kernel.send_message(panel, {"kind": "ready"})
        first = row_of(kernel, uid)
        assert first["state"] == "Running"
        while (row_of(kernel, uid)["progress"] or 0) <= (first["progress"] or 0):
            pass  # The list reads the progress of a job without a follower.
        kernel.send_message(panel, {"kind": "open", "job": uid})
        assert kernel.wait_for_message("head", job=uid)["head"]["state"] == "Running"

        kernel.run("%load_ext jupyter_trainjob\n%trainjob show paged")
        comm = kernel.wait_for_comm()
        assert kernel.wait_for_view()["data"][JOB_MIME]["uid"] == uid
        kernel.send_message(comm, {"kind": "ready"})
        assert kernel.wait_for_message("curves", job=uid)["curves"][0]["points"] > 0
        assert answered(kernel, panel, uid, "stop")["ok"]
    job = jupyter_trainjob.get("paged")
    assert job.status() == State.STOPPED
    job.delete()


def is_answer(message: dict[str, Any], request: str) -> bool:
    data = message["content"].get("data") or {}
    content = data.get("content") if data.get("method") == "custom" else None
    return content is not None and {"kind": "answer", "id": request}.items() <= content.items()


def is_printed(message: dict[str, Any], text: str) -> bool:
    return message["msg_type"] == "stream" and text in message["content"]["text"]


def answered(kernel: Kernel, comm: str, job: str, what: str) -> dict[str, Any]:
    """Send a request and return its reply."""
    request = f"{what}-{job}"
    kernel.send_message(comm, {"kind": "ask", "id": request, "job": job, "what": what})
    return kernel.wait_for_message("answer", id=request)


def row_of(kernel: Kernel, uid: str) -> dict[str, Any]:
    """Return the next row of a job in a list of jobs."""
    while True:
        for row in kernel.wait_for_message("jobs")["jobs"]:
            if row["uid"] == uid:
                return dict(row)


def output(cell: Any) -> dict[str, Any]:
    """Return the one output of a cell that shows a job."""
    (data,) = [dict(item.data) for item in cell.outputs if item.output_type == "display_data"]
    return data
