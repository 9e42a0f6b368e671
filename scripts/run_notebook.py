"""Run a notebook in a real Jupyter kernel, with the progress of its cells and jobs in the terminal.

usage: run_notebook.py NOTEBOOK [--output PATH]

The kernel knows nothing of this script: what it shows of a job comes from the cluster's API, as for any other client.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import threading
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import jupyter_trainjob
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.widget import text

LOOK = 0.2
PLAIN_EVERY = 2.0


class Terminal:
    """One line that changes in place; where output is no terminal, a line now and then."""

    def __init__(self) -> None:
        self._tty = sys.stdout.isatty()
        self._last = ("", 0.0)

    def update(self, line: str) -> None:
        """Show the state of now."""
        if self._tty:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[2K{line[:width]}", end="", flush=True)
        elif line != self._last[0] and time.monotonic() - self._last[1] > PLAIN_EVERY:
            self._last = (line, time.monotonic())
            print(line, flush=True)

    def keep(self, line: str) -> None:
        """Show a line that stays."""
        print(f"\r\x1b[2K{line}" if self._tty else line, flush=True)


def main() -> int:
    """Run the notebook; 0 if every cell ran."""
    parser = argparse.ArgumentParser(description="Run a notebook with visible progress.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, help="where the executed notebook goes (default: build/NAME)")
    options = parser.parse_args()
    output: Path = options.output or Path("build") / options.notebook.name
    output.parent.mkdir(parents=True, exist_ok=True)
    terminal = Terminal()
    terminal.keep(f"Running {options.notebook} in a Jupyter kernel")
    known = {job.name for job in jupyter_trainjob.list_jobs()}
    notebook = nbformat.read(options.notebook, as_version=4)
    begun = time.monotonic()
    done = threading.Event()
    seen: dict[str, Snapshot] = {}
    watcher = threading.Thread(target=watch, args=(terminal, known, seen, done))
    watcher.start()
    client = NotebookClient(
        notebook,
        timeout=1200,
        resources={"metadata": {"path": str(options.notebook.parent)}},
        extra_arguments=["--log-level=40"],
    )
    failure: CellExecutionError | None = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = error
    finally:
        done.set()
        watcher.join()
        nbformat.write(notebook, output)
    if failure is not None:
        terminal.keep(str(failure))
    summary(terminal, seen, time.monotonic() - begun, output)
    return 1 if failure is not None else 0


def watch(terminal: Terminal, known: set[str], seen: dict[str, Snapshot], done: threading.Event) -> None:
    """Show every job that appears while the notebook runs, until it is over."""
    jobs: dict[str, jupyter_trainjob.TrainJob] = {}
    while True:
        over = done.wait(LOOK)
        for job in jupyter_trainjob.list_jobs():
            if job.name not in known:
                jobs.setdefault(job.name, job)
        for name, job in jobs.items():
            before = seen.get(name)
            if before is not None and before.state.finished:
                continue
            if over:
                job.wait(timeout=30)
            seen[name] = snapshot = job.snapshot()
            if snapshot.state.finished:
                terminal.keep(text.line(snapshot))
            else:
                terminal.update(progress(snapshot))
        if over:
            return


def progress(snapshot: Snapshot) -> str:
    """Return the line that moves while a job runs."""
    nodes = f"{snapshot.ranks_running} of {snapshot.nodes} nodes"
    steps = f" · step {snapshot.step} of {snapshot.total}" if snapshot.step is not None else ""
    return f"{text.line(snapshot)} · {nodes}{steps}"


def summary(terminal: Terminal, jobs: dict[str, Snapshot], seconds: float, output: Path) -> None:
    """Say what was done, and where the executed notebook lies."""
    terminal.keep("")
    for job in jobs.values():
        measured = ", ".join(f"{name} {value:.3f}" for name, value in job.metrics.items())
        took = f"{(job.finished or time.time()) - job.created:.1f} s"
        terminal.keep(f"  job       {job.name}: {job.state.value if job.state is not State.COMPLETE else 'complete'}")
        terminal.keep(f"  nodes     {job.nodes}")
        terminal.keep(f"  steps     {job.step}")
        terminal.keep(f"  last      {measured}")
        terminal.keep(f"  seconds   {took} for the job, {seconds:.1f} s for the notebook")
    terminal.keep(f"  notebook  {output.resolve()}")
    terminal.keep("The embedded cluster runs on, for the next job; `.venv/bin/jupyter trainjob cluster stop` ends it.")


if __name__ == "__main__":
    sys.exit(main())
