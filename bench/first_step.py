"""Time from the submitted cell to the first all_reduce on two ranks, warm and cold, compared with torchrun."""

from __future__ import annotations

import time

from bench.jobs import cluster, run, torchrun
from bench.table import Row

RANKS = 2
PAUSE = 1.0
"""Seconds between two jobs: nobody reads a result and sends the next cell in less."""

_CELL = """
import time
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
dist.all_reduce(torch.ones(1))
reached = time.time()
dist.destroy_process_group()
"""


def rows(repeat: int = 5) -> list[Row]:
    """Measure the times in seconds, from the client's call; the peer starts from the shell."""
    theirs, first, warm = [], [], []
    for _ in range(repeat):
        started_at = time.time()
        printed = torchrun(_CELL + "\nif not int(__import__('os').environ['RANK']): print(reached)", processes=RANKS)
        theirs.append(float(printed.split()[-1]) - started_at)
    for _ in range(max(2, repeat // 2)):
        with cluster():
            first.append(_once())
    with cluster():
        _once()
        for _ in range(repeat * 2):
            time.sleep(PAUSE)
            warm.append(_once())
    return [
        Row("cell → first all_reduce, 2 ranks, warm", warm, "s", "≤ 1/20", "torchrun", theirs),
        Row("the same, very first job (no daemon yet)", first, "s", "≤ 1.5 ×", "torchrun", theirs),
    ]


def _once() -> float:
    started_at = time.time()
    return float(run(_CELL + "\nreached", nodes=RANKS)) - started_at
