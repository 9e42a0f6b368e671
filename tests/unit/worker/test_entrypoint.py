"""The process of a rank: SIGTERM, forked children, and a log that is not read."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from jupyter_trainjob.worker.protocol import FOLDER_ENV, TERMINATION_LOG_ENV, decode
from tests.waiting import patience

from .conftest import Notebook, Ran, clean


def running(notebook: Notebook, cell: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    path = notebook.put(notebook.capture(textwrap.dedent(cell)))
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean(env))


def read_until(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert process.stdout is not None
    output = b""
    while text not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    return output


@pytest.mark.parametrize("stuck", ["while True: time.sleep(60)", "lock.acquire()"])
def test_terminated_rank_sends_its_last_reports(notebook: Notebook, stuck: str) -> None:
    cell = f"""
import threading, time
lock = threading.Lock()
lock.acquire()
report(step=41, loss=1)
report(step=42, loss=2)
print("ready")
{stuck}
"""
    with running(notebook, cell) as process:
        output = read_until(process, b"ready")
        process.terminate()
        out, _ = process.communicate(timeout=patience(60))  # Waiting for the lock would take for ever.
    assert process.returncode == 143
    ran = Ran(143, output + out, "")
    assert [step for batch in ran.bodies("metrics") for step in batch["step"]] == [41, 42]
    assert ran.messages[-1].kind == "end"
    assert ran.bodies("end")[0]["ok"] is False


def test_terminated_rank_sends_its_newest_checkpoint_before_end(notebook: Notebook) -> None:
    cell = """
import os, time, pathlib
time.sleep(0.6)  # The first look is over.
(checkpoint_dir() / "step=7.pt").touch()
os.write(1, b"ready\\n")
while True: time.sleep(60)
"""
    with running(notebook, cell, {FOLDER_ENV: str(notebook.folder / "shared")}) as process:
        output = read_until(process, b"ready")
        process.terminate()
        out, _ = process.communicate(timeout=patience(60))
    ran = Ran(143, output + out, "")
    assert [checkpoint["step"] for checkpoint in ran.bodies("checkpoint")] == [7]
    assert ran.messages[-1].kind == "end"


def test_sigterm_handler_of_the_cell_is_used(notebook: Notebook) -> None:
    cell = """
        import signal, sys, threading
        over = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: over.set())
        print("ready")
        while not over.wait(0.05): ...
        "saved"
    """
    with running(notebook, cell) as process:
        output = read_until(process, b"ready")
        process.terminate()
        out, _ = process.communicate(timeout=patience(60))
    assert process.returncode == 0
    assert b" end 0/1 " in output + out


def test_forked_child_sends_nothing_and_is_terminated_by_sigterm(notebook: Notebook) -> None:
    cell = """
        import os, signal, time
        report(step=1, loss=1)
        child = os.fork()
        if child == 0:
            report(step=2, loss=2)
            time.sleep(60)
        time.sleep(0.6)
        os.kill(child, signal.SIGTERM)
        os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    """
    ran = notebook.job(textwrap.dedent(cell))
    assert ran.result == -signal.SIGTERM
    assert [step for batch in ran.bodies("metrics") for step in batch["step"]] == [1]


def test_child_terminated_right_after_fork_does_not_end_its_parent(notebook: Notebook) -> None:
    cell = """
        import os, signal
        ends = set()
        for _ in range(1_000):
            child = os.fork()
            if child == 0:
                signal.pause()
            os.kill(child, signal.SIGTERM)
            ends.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        ends
    """
    assert notebook.job(textwrap.dedent(cell)).result == {-signal.SIGTERM}


FORKED = {
    "runs to the end of the cell": ("pass", 0),
    "raises": ("raise KeyError('child')", 1),
    "exits": ("sys.exit(3)", 3),
    "leaves at once": ("os._exit(4)", 4),
    "forks again": ("os.waitpid(os.fork() or sys.exit(0), 0); sys.exit(5)", 5),
}


@pytest.mark.parametrize(("end", "code"), FORKED.values(), ids=FORKED)
def test_forked_child_exits_without_messages(notebook: Notebook, end: str, code: int) -> None:
    cell = f"""
        import os, sys
        child = os.fork()
        if child == 0:
            {end}
            found = "the child's"
        else:
            found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found
    """
    termination = notebook.folder / "termination"
    termination.touch()
    ran = notebook.job(textwrap.dedent(cell), env={TERMINATION_LOG_ENV: str(termination)})
    assert ran.result == code
    assert [message.kind for message in ran.messages if message.kind != "usage"] == ["start", "result", "end"]
    assert termination.read_bytes() == b""


def test_unread_log_does_not_block_the_exit(notebook: Notebook) -> None:
    cell = """
        import sys
        for i in range(20_000): report(step=i, loss=i * 0.37)
        sys.stderr.write("done\\n")
    """
    with running(notebook, cell) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"done\n"
        assert process.wait(timeout=patience(60)) == 0  # Only now is anything read.
        assert process.stdout is not None
        out = process.stdout.read()
    frames = [decode(line) for line in out.split(b"\n") if line]
    assert None not in frames
    assert len(frames) > 3


def test_closed_stdout_does_not_end_the_training(notebook: Notebook) -> None:
    cell = """
        import os, time
        os.close(1)
        for i in range(10):
            report(step=i, loss=1)
            time.sleep(0.05)
        open("finished", "w").close()
    """
    ran = notebook.job(textwrap.dedent(cell))
    assert ran.code == 0
