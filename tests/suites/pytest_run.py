"""One process of pytest with a folder of its own, which is removed with all that was left running."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.suites import events, limits
from tests.suites.events import Events
from tests.suites.table import Selection

FAILED_TESTS: Final = 1
NO_TESTS: Final = 5


@dataclass(frozen=True)
class Run:
    """What came of it."""

    events: Events
    problem: str
    """What is wrong with the run as a whole, beside its tests; empty if nothing is."""
    output: str
    """What it would have printed, of a test that ran alone."""


def run(step: Selection, *, seconds: float, arguments: Sequence[str] = ()) -> Run:
    """Run the tests of a step, and print what they print."""
    workers = ["--numprocesses", str(step.workers), "--dist", "worksteal"] if step.workers > 1 else []
    selection = [*(["-m", step.markers] if step.markers else []), *(["-k", step.keyword] if step.keyword else [])]
    left_out = [f"--ignore={path}" for path in step.without]
    return _run(step, [*workers, *selection, *left_out, *step.options, *step.paths, *arguments], seconds)


def run_alone(test: str, step: Selection, *, seconds: float) -> Run:
    """Run one test of a step in a process of its own, without printing."""
    return _run(step, [*step.options, test], seconds, quiet=True)


def _run(step: Selection, arguments: Sequence[str], seconds: float, *, quiet: bool = False) -> Run:
    # Short: paths of sockets below it have at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="tj-"))
    file, output = folder / "events", folder / "output"
    base = [f"{step.python}/bin/python", "-m", "pytest", "--quiet", "-p", "tests.suites.events"]
    command = [*base, "-o", f"cache_dir={folder / 'cache'}", f"--basetemp={folder / 't'}", *arguments]
    variables = {
        events.EVENTS_ENV: str(file),
        limits.RUN_ENV: str(folder),
        "TMPDIR": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    try:
        code = limits.run(
            command,
            seconds=seconds,
            variables=variables,
            output=output if quiet else None,
            explain=lambda: explain(folder, file),
        )
        left = limits.left_running(folder)
        written = events.read(file)
        problem = _problem(code, written, left)
        return Run(written, problem, output.read_text(errors="replace") if output.exists() else "")
    finally:
        limits.kill(list(limits.left_running(folder, seconds=0)))
        shutil.rmtree(folder, ignore_errors=True)


def _problem(code: int | None, written: Events, left: dict[int, str]) -> str:
    failures = written.named("failed")
    if code is None:
        return f"over its time limit, in {', '.join(written.running) or 'no test'}"
    if code == NO_TESTS:
        return "no test was found"
    if not written.ended:
        return f"pytest ended with code {code} in the middle, in {', '.join(written.running) or 'no test'}"
    if code not in (0, FAILED_TESTS) or bool(code) != bool(failures):
        return f"pytest ended with code {code}, and {len(failures)} tests failed"
    if left:
        return "left running: " + "; ".join(left.values())
    return ""


def explain(folder: Path, file: Path) -> str:
    """Return the running tests, and the stacks of all processes of pytest."""
    stacks = list(folder.glob(events.STACKS.format(pid="*")))
    for path in stacks:
        pid = int(path.stem.partition("-")[2])
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGUSR1)
    time.sleep(1)  # The processes write; nothing tells when they are done.
    running = [f"  running: {test}" for test in events.read(file).running]
    return "\n".join([*running, *(f"{path.stem}:\n{path.read_text()}" for path in stacks)])
