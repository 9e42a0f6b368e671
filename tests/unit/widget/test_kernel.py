"""The widget in real kernels, whose requests are handled while a cell runs, or after it without subshells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.widget.kernels import Kernel, install_older, start_kernel

SETUP = """
import threading, time
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget.show import show
from tests.unit.widget.jobs import FakeJob, columns, lines, running
job = FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))
shown = show(job)
"""
MIME_TYPES = {
    "application/vnd.jupyter-trainjob.v1+json",
    "application/vnd.jupyter.widget-view+json",
    "text/html",
    "text/plain",
}
CELL_SECONDS = 3.0


@pytest.fixture(scope="module", params=["newest ipykernel", "ipykernel 6.29"])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    older = request.param == "ipykernel 6.29"
    with start_kernel(path=install_older(tmp_path_factory.mktemp("ipykernel")) if older else None) as kernel:
        assert kernel.run_and_read("import ipykernel; print(ipykernel.__version__)").startswith("6.29.") is older
        assert (kernel.subshell is None) is older
        yield kernel


def test_job_in_a_notebook(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm, output = kernel.wait_for_comm(), kernel.wait_for_view()
    assert set(output["data"]) == MIME_TYPES
    assert output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == comm
    kernel.send_message(comm, {"kind": "ready"})
    assert kernel.wait_for_message("log")["lines"][0][1:] == [1.0, 0, "a"]
    assert len(kernel.wait_for_message("curves")["buffers"][0]) == 32

    kernel.run("job.change(state=State.COMPLETE, finished=251.0)")
    last = kernel.wait_for_view(update=True)
    assert last["transient"]["display_id"] == output["transient"]["display_id"]
    assert set(last["data"]) == MIME_TYPES
    assert "took 2:31" in last["data"]["text/html"]
    kernel.send_message(comm, {"kind": "ask", "id": "after the end", "job": "uid-1", "what": "text", "form": "yaml"})
    assert kernel.wait_for_message("answer", id="after the end")["ok"], "a view stays live after its job"


def test_requests_are_answered_while_a_cell_runs_or_right_after_it(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm = kernel.wait_for_comm()
    kernel.wait_for_view()
    kernel.send_message(comm, {"kind": "ready"})
    kernel.wait_for_message("curves")
    # Without subshells, the requests have to wait for the cell; with them, the cell waits for the requests.
    go_on = "time.time() < until" if kernel.subshell is None else "len(job.actions) < 4"
    cell = kernel.run(f"until = time.time() + {CELL_SECONDS}\nwhile {go_on}: sum(range(10_000))")
    kernel.wait_for(lambda m: m["msg_type"] == "execute_input")
    for number, action in enumerate(("rerun", "stop", "resume", "delete")):
        kernel.send_message(comm, {"kind": "ask", "id": f"{number}", "job": "uid-1", "what": action})
    if kernel.subshell is None:
        kernel.wait_for(
            lambda m: m["parent_header"].get("msg_id") == cell and m["content"].get("execution_state") == "idle"
        )
    for number in range(4):
        assert kernel.wait_for_message("answer", id=f"{number}")["ok"]
    assert kernel.run_and_read("print(job.actions)") == "['rerun', 'stop', 'resume', 'delete']"


@pytest.mark.parametrize("kernel", ["newest ipykernel"], indirect=True)
def test_stop_from_the_front_end_runs_while_a_cell_waits(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm = kernel.wait_for_comm()
    kernel.wait_for_view()
    kernel.run("while not job.actions: time.sleep(0.01)\nprint('stopped')")
    kernel.send_message(comm, {"kind": "ask", "id": "1", "job": "uid-1", "what": "stop"})
    assert kernel.wait_for_message("answer", id="1")["ok"]
    kernel.wait_for(lambda m: m["msg_type"] == "stream" and "stopped" in m["content"]["text"])


def test_views_of_finished_jobs_have_no_threads(kernel: Kernel) -> None:
    # Views of other jobs in this kernel go on.
    kernel.run("import threading\nbefore = {*threading.enumerate()}")
    kernel.run(f"{SETUP}job.change(state=State.COMPLETE, finished=251.0)\nviews = [show(job) for _ in range(50)]")
    threads = "[thread for thread in {*threading.enumerate()} - before if thread.name.startswith('trainjob-')]"
    assert kernel.run_and_read(f"while {threads}: time.sleep(0.05)\nprint('none')") == "none"
