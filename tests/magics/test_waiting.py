"""The display of a job while a cell waits for it, and of its handle."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell
from tests.unit.widget.kernels import VIEW, Kernel, start_kernel
from tests.waiting import patience

pytestmark = pytest.mark.timeout(180)

PATIENT = "%%trainjob patient --runtime plain\nimport time\nwhile not pathlib.Path(gate).exists(): time.sleep(0.05)\n7"
SCRIPT = """
import sys
from jupyter_trainjob import report, submit

def train():
    for step in range(5):
        print(f"line {step}", flush=True)
        report(step=step, loss=0.5)

if __name__ == "__main__":
    job = submit(train, runtime="plain")
    print(job.wait().value)
    job.wait()
    job.delete()
"""


@pytest.fixture
def front() -> Iterator[Kernel]:
    with start_kernel() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        yield kernel


@pytest.mark.journey
def test_waiting_cell_shows_progress_and_the_value(cluster: StateDir, front: Kernel, tmp_path: Any) -> None:
    front.run(f"import pathlib\ngate = {str(tmp_path / 'gate')!r}")
    front.run(PATIENT)
    front.wait_for_view()
    front.run("patient.result()")
    line = front.wait_for(lambda m: m["msg_type"] == "display_data")["content"]
    assert list(line["data"]) == ["text/plain"]
    assert "patient-" in line["data"]["text/plain"]
    (tmp_path / "gate").touch()
    display_id = line["transient"]["display_id"]

    def is_renewed(message: dict[str, Any]) -> bool:
        content = message["content"]
        return (
            message["msg_type"] == "update_display_data"
            and content["transient"]["display_id"] == display_id
            and "Complete" in content["data"]["text/plain"]
        )

    front.wait_for(is_renewed)
    value = front.wait_for(lambda m: m["msg_type"] == "execute_result")["content"]["data"]["text/plain"]
    assert value == "7"
    front.run("patient.result()")
    first = front.wait_for(lambda m: m["msg_type"] in ("display_data", "execute_result"))
    assert first["msg_type"] == "execute_result", "what is over shows no progress"


def test_handle_in_a_notebook_is_displayed_as_a_card(cluster: StateDir, front: Kernel) -> None:
    front.run("%%trainjob carded --runtime plain\n1")
    front.wait_for_view()
    front.run("carded")
    shown = front.wait_for(lambda m: m["msg_type"] in ("display_data", "execute_result"))
    assert shown["msg_type"] == "display_data"
    assert VIEW in shown["content"]["data"]
    front.run("[carded]")
    listed = front.wait_for(lambda m: m["msg_type"] == "execute_result")["content"]["data"]["text/plain"]
    assert listed.startswith("[<TrainJob carded-")


def test_handle_in_a_terminal_is_displayed_as_a_line(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("%%trainjob carded --runtime plain\n1")
    capsys.readouterr()
    shell.run("carded")
    assert shell.names["carded"].name in capsys.readouterr().out


@pytest.mark.journey
def test_waiting_script_prints_the_log_on_a_terminal(cluster: StateDir, tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    terminal, end = pty.openpty()
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=end, text=True) as process:
        os.close(end)
        output = b""
        while part := _read(terminal):
            output += part
        out = process.stdout.read() if process.stdout else ""
    os.close(terminal)
    assert process.returncode == 0, output
    assert out == "Complete\n", "the output of the script itself is its own"
    for step in range(5):
        assert output.decode().count(f"0 | line {step}") == 1, output.decode()
    assert "✓ Complete train-" in output.decode()


def test_waiting_script_without_a_terminal_prints_no_log(cluster: StateDir, tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=patience(120), check=True)
    assert done.stdout == "Complete\n"
    assert "line" not in done.stderr


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed.
        return b""
