"""The widget in real kernels: what threads send reaches the front end, and the front end is heard, also while a cell
runs, or right after it where a kernel cannot do better.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.unit.widget.kernels import Kernel, install_older, started

SETUP = """
import threading, time
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.widget.show import show
from tests.unit.widget.jobs import FakeJob, columns, lines, running
job = FakeJob(running(log=lines("a")), columns((0, 1, 0, 2.0)))
shown = show(job)
"""
FORMS = {
    "application/vnd.jupyter-trainjob.v1+json",
    "application/vnd.jupyter.widget-view+json",
    "text/html",
    "text/plain",
}
CELL_SECONDS = 3.0


@pytest.fixture(scope="module", params=["newest ipykernel", "ipykernel 6.29"])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    older = request.param == "ipykernel 6.29"
    with started(path=install_older(tmp_path_factory.mktemp("ipykernel")) if older else None) as kernel:
        assert kernel.printed("import ipykernel; print(ipykernel.__version__)").startswith("6.29.") is older
        assert (kernel.subshell is None) is older
        yield kernel


def test_a_job_in_a_notebook(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm, output = kernel.opened(), kernel.shown()
    assert set(output["data"]) == FORMS
    assert output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == comm
    kernel.tell(comm, {"kind": "ready"})
    assert kernel.said("log")["lines"][0][1:] == [1.0, 0, "a"]
    assert len(kernel.said("curves")["buffers"][0]) == 32

    kernel.run("job.change(state=State.COMPLETE, finished=251.0)")
    last = kernel.shown(update=True)
    assert last["transient"]["display_id"] == output["transient"]["display_id"]
    assert set(last["data"]) == FORMS
    assert "took 2:31" in last["data"]["text/html"]
    kernel.tell(comm, {"kind": "ask", "id": "after the end", "job": "uid-1", "what": "text", "form": "yaml"})
    assert kernel.said("answer", id="after the end")["ok"], "a view stays live when its job is over"


def test_a_page_is_heard_while_a_cell_runs_or_right_after_it_and_nothing_is_lost(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm = kernel.opened()
    kernel.tell(comm, {"kind": "ready"})
    kernel.said("curves")
    kernel.run(f"until = time.time() + {CELL_SECONDS}\nwhile time.time() < until: sum(range(10_000))")
    kernel.until(lambda m: m["msg_type"] == "execute_input")
    begun = time.monotonic()
    for number, what in enumerate(("rerun", "stop", "resume", "delete")):
        kernel.tell(comm, {"kind": "ask", "id": f"{number}", "job": "uid-1", "what": what})
    for number in range(4):
        assert kernel.said("answer", id=f"{number}")["ok"]
    took = time.monotonic() - begun
    assert (took > CELL_SECONDS / 2) is (kernel.subshell is None)
    assert kernel.printed("print(job.deeds)") == "['rerun', 'stop', 'resume', 'delete']"


@pytest.mark.parametrize("kernel", ["newest ipykernel"], indirect=True)
def test_who_waits_in_a_cell_hears_of_a_stop_from_the_page(kernel: Kernel) -> None:
    kernel.run(SETUP)
    comm = kernel.opened()
    kernel.run("while not job.deeds: time.sleep(0.01)\nprint('stopped')")
    kernel.tell(comm, {"kind": "ask", "id": "1", "job": "uid-1", "what": "stop"})
    assert kernel.said("answer", id="1")["ok"]
    kernel.until(lambda m: m["msg_type"] == "stream" and "stopped" in m["content"]["text"])


def test_views_of_finished_jobs_have_no_threads(kernel: Kernel) -> None:
    # Views of other jobs in this kernel go on.
    kernel.run("import threading\nbefore = {*threading.enumerate()}")
    kernel.run(f"{SETUP}job.change(state=State.COMPLETE, finished=251.0)\nviews = [show(job) for _ in range(50)]")
    threads = "[each for each in {*threading.enumerate()} - before if each.name.startswith('trainjob-')]"
    assert kernel.printed(f"while {threads}: time.sleep(0.05)\nprint('none')") == "none"
