"""The log names, once, the threads and processes that the job waits for at its end."""

from __future__ import annotations

import re
import sys
import textwrap

import pytest

from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.worker.monitoring import exit_blockers
from tests.unit.worker.conftest import Notebook, launch

WATCHED = """
import os, threading, multiprocessing
heard, log = os.pipe()
screen = os.dup(2)
os.dup2(log, 2)

def until_named(what):
    text = b""
    while what not in text:
        text += os.read(heard, 4096)
    os.write(screen, text)
"""
"""Whatever is left running ends when the log has named it."""
CELLS: dict[str, tuple[str, str]] = {
    "a thread": (
        "threading.Thread(target=until_named, args=(b\"'writer'\",), name='writer').start()\n7",
        r"thread 'writer' \(Cell \[12\], line 10\)",
    ),
    "a process": (
        "multiprocessing.get_context('fork').Process(target=until_named, args=(b'pid',), name='helper').start()\n7",
        r"process 'helper' \(pid \d+\)",
    ),
}


@pytest.mark.parametrize(("cell", "blocker"), CELLS.values(), ids=CELLS.keys())
def test_threads_and_processes_left_by_the_cell_are_named_once(notebook: Notebook, cell: str, blocker: str) -> None:
    ran = notebook.job(f"{WATCHED}\n{cell}")
    assert ran.result == 7
    assert len(re.findall(rf"^The cell has ended; the job waits for {blocker}, which the cell", ran.stderr, re.M)) == 1


def test_message_about_a_function_says_function(notebook: Notebook) -> None:
    body = textwrap.indent(WATCHED, "    ")
    notebook.run(f"def train():{body}\n    threading.Thread(target=until_named, args=(b'join',)).start()")
    ran = launch([sys.executable, str(notebook.put(capture_function(notebook.names["train"])))], notebook.folder)
    assert "The function has ended; the job waits for thread" in ran.stderr


@pytest.mark.parametrize(
    "cell",
    ["threading.Thread(target=threading.Event().wait, daemon=True).start()", "threading.Thread(target=int).start()"],
)
def test_threads_that_block_no_exit_are_not_named(notebook: Notebook, cell: str) -> None:
    assert notebook.job(f"import threading\n{cell}").stderr == ""


def test_first_blockers_are_named_and_the_others_counted() -> None:
    assert "for a, b, c, d, e and 3 more, which" in exit_blockers.format_notice("cell", list("abcdefgh"))
