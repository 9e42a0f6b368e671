"""Time from a ``raise`` on one of two ranks to the traceback in the cell, compared with torchrun.

Both times are of one clock: the message of the exception has the time of the ``raise``. The traceback is formatted by
IPython.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from IPython.core.ultratb import VerboseTB

from bench.jobs import cluster
from bench.table import Row
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send

_CELL = """
import os
import time
if os.environ["RANK"] == "1":
    raise ValueError(f"raised at {time.time()!r}")
time.sleep(60)
"""


def rows(repeat: int = 5) -> list[Row]:
    """Measure the times in seconds."""
    theirs = [_torchrun() for _ in range(repeat)]
    with cluster():
        _once()
        ours = [_once() for _ in range(repeat * 2)]
    return [
        Row("raise in a rank → traceback in the cell, 2 ranks", ours, "s", "–", "torchrun, on its terminal", theirs)
    ]


def _once() -> float:
    job = send(prepare_cell(_CELL, {}, filename="Cell [1]", options=job_options(nodes=2)))
    try:
        job.result(timeout=300)
    except ValueError as error:
        text = "\n".join(VerboseTB().structured_traceback(type(error), error, error.__traceback__))
        shown = time.time()
    job.delete()
    return shown - _raised(text)


def _torchrun() -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(_CELL)
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        return time.time() - _raised(text)


def _raised(text: str) -> float:
    match = re.search(r"raised at (\d+\.\d+)", text)
    if match is None:
        raise RuntimeError(f"the exception is not in what was shown:\n{text}")
    return float(match[1])
