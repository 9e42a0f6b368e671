"""Run a notebook in a real Jupyter kernel, with the progress of its cells and jobs in the terminal.

usage: run_notebook.py NOTEBOOK [--output PATH]

The state of jobs is read from the cluster's API.
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
from jupyter_trainjob.rendering import text

LOOK = 0.2
PLAIN_EVERY = 2.0


class Terminal:
    """A progress line that is updated in place; without a terminal, a new line every two seconds at most."""

    def __init__(self) -> None:
        self._tty = sys.stdout.isatty()
        self._last = ("", 0.0)

    def update(self, line: str) -> None:
        """Show the current progress."""
        if self._tty:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[2K{line[:width]}", end="", flush=True)
        elif line != self._last[0] and time.monotonic() - self._last[1] > PLAIN_EVERY:
            self._last = (line, time.monotonic())
            print(line, flush=True)

    def keep(self, line: str) -> None:
        """Print a permanent line."""
        print(f"\r\x1b[2K{line}" if self._tty else line, flush=True)


def main() -> int:
    """Run the notebook and return the exit status: 0 if every cell ran."""
    parser = argparse.ArgumentParser(description="Run a notebook with visible progress.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, help="where the executed notebook goes (default: build/NAME)")
    options = parser.parse_args()
    output: Path = options.output or Path("build") / options.notebook.name
    output.parent.mkdir(parents=True, exist_ok=True)
    terminal = Terminal()
    terminal.keep(f"Running {options.notebook} in a Jupyter kernel")
    notebook = nbformat.read(options.notebook, as_version=4)
    started_at = time.monotonic()
    ready, done = threading.Event(), threading.Event()
    snapshots: dict[str, Snapshot] = {}
    watcher = threading.Thread(target=watch, args=(terminal, snapshots, ready, done))
    watcher.start()
    client = NotebookClient(
        notebook,
        timeout=1200,
        resources={"metadata": {"path": str(options.notebook.parent)}},
        extra_arguments=["--log-level=40"],
        shutdown_kernel="immediate",
        store_widget_state=False,  # A page without a kernel shows the pictures.
    )
    failure: CellExecutionError | None = None
    try:
        with client.setup_kernel():
            ready.wait()  # The cluster starts while the kernel does.
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
    except CellExecutionError as error:
        failure = error
    finally:
        done.set()
        watcher.join()
        nbformat.write(notebook, output)
    if failure is not None:
        terminal.keep(str(failure))
    summary(terminal, snapshots, time.monotonic() - started_at, output)
    return 1 if failure is not None else 0


def watch(terminal: Terminal, snapshots: dict[str, Snapshot], ready: threading.Event, done: threading.Event) -> None:
    """Show every job that appears while the notebook runs; sets `ready` once the cluster has answered."""
    jobs: dict[str, jupyter_trainjob.TrainJob] = {}
    try:
        known = {job.name for job in jupyter_trainjob.list_jobs()}
    finally:
        ready.set()
    while True:
        finished = done.wait(LOOK)
        for job in jupyter_trainjob.list_jobs():
            if job.name not in known:
                jobs.setdefault(job.name, job)
        for name, job in jobs.items():
            before = snapshots.get(name)
            if before is not None and before.state.finished:
                continue
            if finished:
                job.wait(timeout=30)
            snapshots[name] = snapshot = job.snapshot()
            if snapshot.state.finished:
                terminal.keep(text.summary_line(snapshot))
            else:
                terminal.update(progress(snapshot))
        if finished:
            return


def progress(snapshot: Snapshot) -> str:
    """Return the progress line of a running job."""
    nodes = f"{snapshot.ranks_running} of {snapshot.nodes} nodes"
    steps = f" · step {snapshot.step} of {snapshot.total}" if snapshot.step is not None else ""
    return f"{text.summary_line(snapshot)} · {nodes}{steps}"


def summary(terminal: Terminal, jobs: dict[str, Snapshot], seconds: float, output: Path) -> None:
    """Print a summary of the jobs, and the path of the executed notebook."""
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
    terminal.keep("The embedded cluster stays for the next job; `.venv/bin/jupyter trainjob cluster stop` ends it.")


if __name__ == "__main__":
    sys.exit(main())
