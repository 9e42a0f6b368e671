"""Progress bars of a cell in the log of its pod."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from jupyter_trainjob.worker.output.terminal_rows import parse_row_update
from jupyter_trainjob.worker.protocol import decode
from tests.unit.worker.conftest import Notebook

BAR = """
import sys, time
print("before")
for step in range(101):
    sys.stderr.write(f"\\r{step:3}%|{'█' * (step // 10):10}|")
    sys.stderr.flush()
    time.sleep(0.015)
sys.stderr.write("\\n")
print("after")
"""
STALLS = """
import sys
for step in range(50):
    print(f"{step} of 100", end="\\r")
sys.stdin.read()
"""


def test_progress_bar_is_logged_while_running_and_as_one_line_at_its_end(notebook: Notebook) -> None:
    ran = notebook.job(BAR)
    rows = [row for line in ran.stderr.encode().split(b"\n") if (row := parse_row_update(line))]
    assert ran.code == 0
    assert 2 <= len(rows) <= 5
    assert len({row.row for row in rows}) == 1
    assert [row.final for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1].text.decode() == "100%|██████████|"
    assert ran.stdout.split("\n")[:2] == ["before", "after"]


def test_stalled_bar_is_logged_with_its_last_state(notebook: Notebook, tmp_path: Path) -> None:
    command = [sys.executable, str(notebook.put(notebook.capture(STALLS)))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        texts = []
        deadline = time.monotonic() + 60
        while b"49 of 100" not in texts and time.monotonic() < deadline:
            line = process.stdout.readline().rstrip(b"\n")
            texts += [row.text for row in (parse_row_update(line),) if row]
        assert texts == [b"0 of 100", b"49 of 100"]
        process.stdin.close()
        rest = process.stdout.read()
    assert process.returncode == 0
    assert [row.text for line in rest.split(b"\n") if not decode(line) and (row := parse_row_update(line))] == [
        b"49 of 100"
    ]
