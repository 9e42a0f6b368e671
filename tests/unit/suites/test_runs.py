"""Real runs of pytest: what is told of tests that fail, fail once, hang, or leave a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.paths import ROOT
from tests.suites import __main__ as runner
from tests.suites import events, limits, pytest_run
from tests.suites.table import Selection, Suite
from tests.suites.verdict import Verdict
from tests.waiting import patience, wait_for

PYTHON = str(Path(sys.executable).parents[1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project of its own, so that nothing of this one's configuration applies."""
    (tmp_path / "pytest.ini").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def run(folder: Path, source: str, *, reruns: bool = True) -> runner.Result:
    (folder / "test_it.py").write_text(source)
    step = Selection((".",), markers="", reruns=reruns, python=PYTHON)
    return runner.run_suite(Suite("it", "", 2, (step,)), [])


def is_alive(pid: Path) -> bool:
    """Return whether a process runs whose id is in a file; a zombie has ended."""
    try:
        return psutil.Process(int(pid.read_text())).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_outcomes_are_counted(folder: Path) -> None:
    source = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no')\ndef test_c(): assert not 'seen'"
    result = run(folder, source, reruns=False)
    assert (result.passed, result.skipped, result.verdict) == (1, 1, Verdict(failed=["test_it.py::test_c"]))
    assert runner.is_red([result])
    assert "FAILED test_it.py::test_c" in runner.table([result])


def test_failure_by_chance_is_flaky(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = f"import pathlib\ndef test_a():\n    p = pathlib.Path({str(folder / 'ran')!r})\n    "
    source += "if not p.exists():\n        p.touch()\n        assert not 'the first time'"
    result = run(folder, source)
    assert result.verdict == Verdict(flaky=["test_it.py::test_a"])
    assert not runner.is_red([result])
    assert runner.is_red([result] * 4), "more than three are no chance"
    assert "the first time" in capfd.readouterr().out.partition("FLAKY")[2], "the first output is printed"


def test_failure_that_repeats_is_red(folder: Path) -> None:
    result = run(folder, "def test_a(): assert False")
    assert result.verdict == Verdict(failed=["test_it.py::test_a"])
    assert runner.is_red([result])


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param("", "no test was found", id="no tests"),
        pytest.param(
            "import os\ndef test_a(): os._exit(0)",
            "pytest ended with code 0 in the middle",
            id="exit",
        ),
        pytest.param("def test_a(: pass", "", id="syntax error"),
    ],
)
def test_run_that_did_not_run_its_tests_is_red(folder: Path, source: str, problem: str) -> None:
    result = run(folder, source, reruns=False)
    assert runner.is_red([result])
    assert "\n".join(result.problems).startswith(problem)


def test_process_that_is_left_running_is_named_and_killed(folder: Path) -> None:
    source = "import subprocess, pathlib\ndef test_a():\n    "
    source += "p = subprocess.Popen(['sleep', '4242'], start_new_session=True)\n    "
    source += f"pathlib.Path({str(folder / 'pid')!r}).write_text(str(p.pid))"
    result = run(folder, source)
    assert result.problems == ["left running: sleep 4242"]
    assert not is_alive(folder / "pid")


def test_command_over_its_limit_is_explained_and_ended(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["sh", "-c", f"echo $$ > {tmp_path / 'pid'}; exec sleep 4243"]
    assert limits.run(command, seconds=1, explain=lambda: "what it did") is None
    printed = capfd.readouterr().out
    assert "OVER THE LIMIT of 1 s" in printed
    assert "what it did" in printed
    assert "sleep 4243" in printed, "the processes are listed"
    assert not is_alive(tmp_path / "pid")


def test_hanging_test_is_named_with_its_stack(folder: Path) -> None:
    (folder / "test_it.py").write_text("import threading\ndef test_hangs(): threading.Event().wait()")
    file = folder / "events"
    command = [sys.executable, "-m", "pytest", "-p", "tests.suites.events", "-p", "no:cacheprovider", str(folder)]
    with subprocess.Popen(command, env={**os.environ, events.EVENTS_ENV: str(file)}, stdout=subprocess.DEVNULL) as one:
        try:
            wait_for(lambda: events.read(file).running, "the test to begin")
            explained = wait_for(
                lambda: text if "in test_hangs" in (text := pytest_run.explain(folder, file)) else None,
                "the stack to be written",
            )
        finally:
            one.kill()
            one.wait(patience(60))
    assert "running: test_it.py::test_hangs" in explained


def test_memory_of_a_process_is_limited() -> None:
    child = f"bytearray({limits.machine_memory() // 4})"
    source = "import subprocess, sys; from tests.suites import limits; limits.limit_memory(1 / 8)"
    source += f"\nsys.exit(subprocess.run([sys.executable, '-c', {child!r}]).returncode)"
    ran = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (1, "MemoryError"), "a process that it starts has the limit"
