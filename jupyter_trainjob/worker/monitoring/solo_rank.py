"""Notice ranks that train alone: they report, have imported torch, and have created no process group.

The frame writer polls this on rank 0; ``solo`` is sent at most once. It is a mistake only in a job of several ranks,
which readers decide. Excluded are cells that divide the work themselves: those that read their rank, or use a library
with its own communication between ranks.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from ..output.messages import SOLO, Solo
from ..protocol import dumps

REPORTS: Final = 3
"""Reports after which the training has begun."""
POLLS: Final = 3
"""Polls, one with each pulse, without a process group before the message is sent."""
COMMUNICATORS: Final = (
    "dask",
    "horovod",
    "jax",
    "lightgbm",
    "mlx",
    "mpi4py",
    "ray",
    "tensorflow",
    "xgboost",
)
"""Modules with which ranks may communicate without a process group of torch."""
_READS_RANK: Final = re.compile(r"\b(?:RANK|WORLD_SIZE|JOB_COMPLETION_INDEX|PET_\w+|rank|world_size)\b")


class SoloRankCheck:
    """Checks for a process group until there is one, or until the message was sent."""

    def __init__(
        self, send: Callable[[str, bytes], None], *, rank: int, reports: Callable[[int], Sequence[float]], source: str
    ) -> None:
        """Take `reports`, which returns the times of the last reports, and `source`, the cell's text."""
        self._send = send
        self._reports = reports
        self._polls_left = POLLS if rank == 0 and not _READS_RANK.search(source) else 0

    def poll(self) -> None:
        """Check once, and send the message if it is due."""
        if not self._polls_left:
            return
        if has_communicator():
            self._polls_left = 0
        elif "torch" in sys.modules and len(self._reports(REPORTS)) == REPORTS:
            self._polls_left -= 1
            if not self._polls_left:
                self._send(SOLO, dumps(Solo(time=time.time())))


def has_communicator() -> bool:
    """Whether this process has a process group, or a library that communicates in its own way."""
    if any(name in sys.modules for name in COMMUNICATORS):
        return True
    initialized = getattr(sys.modules.get("torch.distributed"), "is_initialized", None)
    return initialized is not None and bool(initialized())
