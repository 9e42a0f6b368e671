"""Run a command under a time limit, explain what hangs, and end all that it started (standard library only).

Commands find RUN_ENV in their environment: a process that has it, or the folder that it names in its command line,
belongs to the run, wherever it went.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

RUN_ENV: Final = "TRAINJOB_TEST_RUN"
GRACE: Final = 60.0
"""Seconds for a command to end after it was told to."""
MOST_LINES: Final = 200


def machine_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def limit_memory(fraction: float = 0.5) -> None:
    """Limit the data of this process, and of each that it starts, to a part of this machine's memory.

    A process at the limit gets a MemoryError, or ends, instead of taking the machine with it. Address space is not
    limited: browsers and JIT compilers reserve more than there is.
    """
    most = int(machine_memory() * fraction)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


class EndedError(Exception):
    """SIGTERM: whoever started this process ends it."""


def end_on_sigterm() -> None:
    """Raise `EndedError` at SIGTERM, so that commands that run are explained and ended."""

    def end(signum: int, _: object) -> None:
        raise EndedError(f"ended by signal {signum}")

    signal.signal(signal.SIGTERM, end)


def run(
    command: Sequence[str],
    *,
    seconds: float,
    variables: Mapping[str, str] | None = None,
    output: Path | None = None,
    explain: Callable[[], str] = lambda: "",
) -> int | None:
    """Run a command and return its exit code; None if it ran longer than `seconds`.

    `variables` are added to the environment, `output` is a file for what it prints. At the limit, and when this process
    is ended, what `explain` returns and all processes are printed before the command is ended.
    """
    with contextlib.ExitStack() as files:
        stream = files.enter_context(output.open("ab")) if output else None
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **(variables or {})},
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"\nOVER THE LIMIT of {seconds:.0f} s: {' '.join(command)[:200]}", flush=True)
            print(explain(), process_tree(), sep="\n", flush=True)
            return None
        except EndedError:
            print(f"\nENDED: {' '.join(command)[:200]}", flush=True)
            print(explain(), process_tree(), sep="\n", flush=True)
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)


def process_tree() -> str:
    """Return all processes of this machine, with seconds since their start, and its load."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    if shutil.which("ps") is None:
        return f"load {load}; the processes cannot be listed: there is no ps"
    command = ["ps", "-e", "--forest", "-ww", "-o", "pid,ppid,etimes,stat,args"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    shown = [line[:200] for line in lines if not line.endswith("]")]  # without the kernel's threads
    return "\n".join([f"load {load}", *shown[:MOST_LINES]])


def left_running(folder: Path, *, seconds: float = 10.0) -> dict[int, str]:
    """Return what a run with this folder has left after `seconds`, by process id: command lines."""
    deadline = time.monotonic() + seconds
    while (found := _processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def kill(pids: Sequence[int]) -> None:
    """End processes, which may have ended already."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes_of(folder: Path) -> dict[int, str]:
    marks = (f"{RUN_ENV}={folder}\0".encode(), f"{folder}/".encode())
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        # A zombie has neither.
        if int(entry.name) != os.getpid() and (marks[0] in environment + b"\0" or marks[1] in words):
            found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace").strip()[:200]
    return found
