"""Threads and processes that the cell leaves running are named and ended, and the result has come home before."""

from __future__ import annotations

import re
import sys

import pytest

from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.worker.monitoring import exit_blockers
from tests.unit.worker.conftest import Notebook, launch

CELLS: dict[str, tuple[str, str]] = {
    "a thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, name='prefetch-0').start()\n7",
        r"thread 'prefetch-0', which the cell",
    ),
    "a process": (
        (
            "import multiprocessing, time\n"
            "multiprocessing.get_context('fork').Process(target=time.sleep, args=(3600,), name='helper').start()\n7"
        ),
        r"process 'helper' \(pid \d+\), which the cell",
    ),
    "a working executor": (
        (
            "import threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "ThreadPoolExecutor(1, thread_name_prefix='pool').submit(threading.Event().wait)\n7"
        ),
        r"thread 'pool_0', which the cell",
    ),
    "a thread of the cell's code": (
        (
            "import threading\ndef forever(): threading.Event().wait()\n"
            "threading.Thread(target=forever, name='own').start()\n7"
        ),
        r"thread 'own' \(Cell \[12\], line 2\), which the cell",
    ),
}


@pytest.mark.parametrize(("cell", "blocker"), CELLS.values(), ids=CELLS.keys())
def test_what_the_cell_left_running_is_named_and_ended(notebook: Notebook, cell: str, blocker: str) -> None:
    ran = notebook.job(cell, env={"TRAINJOB_LINGER": "1"})
    assert ran.result == 7
    assert len(re.findall(rf"^{blocker} had started, still ran 1 s after its end", ran.stderr, re.M)) == 1


def test_exit_functions_of_libraries_run_before_the_end(notebook: Notebook) -> None:
    cell = (
        "import atexit, threading\natexit.register(print, 'uploaded', flush=True)\n"
        "threading.Thread(target=threading.Event().wait).start()"
    )
    assert "uploaded" in notebook.job(cell, env={"TRAINJOB_LINGER": "1"}).stdout


def test_exit_code_of_a_failed_cell_stays(notebook: Notebook) -> None:
    cell = "import threading\nthreading.Thread(target=threading.Event().wait).start()\nraise SystemExit(3)"
    assert notebook.job(cell, env={"TRAINJOB_LINGER": "1"}).code == 3


def test_what_may_run_on_ends_by_itself(notebook: Notebook) -> None:
    cell = (
        "import os, threading\n"
        "heard, log = os.pipe()\nscreen = os.dup(2)\nos.dup2(log, 2)\n"
        "def until_named():\n"
        "    text = b''\n"
        "    while b'--linger' not in text:\n"
        "        text += os.read(heard, 4096)\n"
        "    os.write(screen, text + b'done')\n"
        "threading.Thread(target=until_named, name='writer').start()"
    )
    stderr = notebook.job(cell, env={"TRAINJOB_LINGER": "3600"}).stderr
    assert re.search(r"The cell has ended; thread 'writer' \(.*\) may run on for at most 3600 s", stderr)
    assert stderr.endswith("done")


def test_message_about_a_function_says_function(notebook: Notebook) -> None:
    notebook.run("import threading\ndef train(): threading.Thread(target=threading.Event().wait).start()")
    path = notebook.put(capture_function(notebook.names["train"]))
    ran = launch([sys.executable, str(path)], notebook.folder, {"TRAINJOB_LINGER": "1"})
    assert "which the function had started, still ran 1 s after its end" in ran.stderr


@pytest.mark.parametrize(
    "cell",
    ["threading.Thread(target=threading.Event().wait, daemon=True).start()", "threading.Thread(target=int).start()"],
)
def test_threads_that_block_no_exit_are_not_named(notebook: Notebook, cell: str) -> None:
    assert notebook.job(f"import threading\n{cell}").stderr == ""


def test_first_blockers_are_named_and_the_others_counted() -> None:
    assert exit_blockers.format_names(list("abcdefgh")) == "a, b, c, d, e and 3 more"
