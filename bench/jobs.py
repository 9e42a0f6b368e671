"""Run cells as jobs on a temporary embedded cluster, and the same program under torchrun."""

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
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.constants import STATE_DIR_ENV


@contextmanager
def cluster() -> Iterator[None]:
    """Use a temporary state folder; the daemon starts with the first job and is stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="trainjob-bench-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(STATE_DIR_ENV)
        os.environ[STATE_DIR_ENV] = folder
        context.forget_connections()
        try:
            yield
        finally:
            launcher.stop()
            context.forget_connections()
            if before is None:
                del os.environ[STATE_DIR_ENV]
            else:
                os.environ[STATE_DIR_ENV] = before


def run(cell: str, *, nodes: int, variables: dict[str, Any] | None = None) -> Any:
    """Run a cell as a job and return its result."""
    job = send(prepare_cell(cell, variables or {}, filename="Cell [1]", options=job_options(nodes=nodes)))
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
