"""Cost of one ``report()`` call in a training loop, compared with TensorBoard's ``SummaryWriter.add_scalar``."""

from __future__ import annotations

import tempfile
import time

from bench.jobs import cluster, run
from bench.table import Row

CALLS = 20_000

_CELL = f"""
import time
begun = time.perf_counter()
for step in range({CALLS}):
    report(step=step, loss=0.5)
(time.perf_counter() - begun) / {CALLS} * 1e6
"""


def rows(repeat: int = 5) -> list[Row]:
    """Measure calls with one float; those of ``report()`` run in a job."""
    with cluster():
        ours = [float(run(_CELL, nodes=1)) for _ in range(repeat)]
    theirs = [_tensorboard() for _ in range(repeat)]
    return [Row("`report()` in the loop", ours, "µs", "≤ 2 µs", "TensorBoard", theirs)]


def _tensorboard() -> float:
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        started_at = time.perf_counter()
        for step in range(CALLS):
            writer.add_scalar("loss", 0.5, step)
        spent = time.perf_counter() - started_at
        writer.close()
    return spent / CALLS * 1e6
