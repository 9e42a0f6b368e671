"""Running cells as jobs for a measurement: on an embedded cluster of its own, and the same program under torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_trainjob.client import context
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.constants import STATE_DIR_ENV


@contextmanager
def cluster() -> Iterator[None]:
    """Give the measurement a state folder of its own; the daemon starts with the first job and is ended after."""
    with tempfile.TemporaryDirectory(prefix="trainjob-bench-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(STATE_DIR_ENV)
        os.environ[STATE_DIR_ENV] = folder
        context.forget()
        try:
            yield
        finally:
            launch.stop()
            context.forget()
            if before is None:
                del os.environ[STATE_DIR_ENV]
            else:
                os.environ[STATE_DIR_ENV] = before


def run(cell: str, *, nodes: int, variables: dict[str, Any] | None = None) -> Any:
    """Run a cell as a job and return its result."""
    job = send(prepare_cell(cell, variables or {}, filename="Cell [1]", options=Options(nodes=nodes)))
    result = job.result(timeout=300)
    job.delete()
    return result


def torchrun(program: str, *, processes: int) -> str:
    """Run a program under torchrun and return what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(program)
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout
