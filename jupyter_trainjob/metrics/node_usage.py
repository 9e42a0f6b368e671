"""Read the ``usage`` messages of a node's first rank: what the processes of the node use.

A program could print a line that looks like such a message, so each value is validated: ValueError, KeyError or
TypeError for an invalid one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.metrics import sanitize
from jupyter_trainjob.worker.output import messages

GPUS_LIMIT = 64
NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of a node, as reported by NVML. Memory in bytes."""

    name: str
    busy: float | None
    """Share of the time in which it computed, 0 to 1; None if unknown."""
    memory: int
    memory_total: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The newest usage of all processes of one pod together."""

    time: float
    cpu: float
    """Cores in use, on average since the message before."""
    cpu_limit: float | None
    """Cores that the pod can use: its limit, else those of the machine."""
    memory: int
    """Bytes."""
    memory_limit: int | None
    """Bytes that the pod can use: its limit, else those of the machine."""
    gpus: tuple[Gpu, ...] = ()


def parse_usage(body: messages.Usage) -> Usage:
    """Parse the body of a ``usage`` message."""
    return Usage(
        time=sanitize.moment(body["time"]),
        cpu=_number(body["cpu"]),
        cpu_limit=None if body["cpu_limit"] is None else _number(body["cpu_limit"]),
        memory=int(_number(body["memory"])),
        memory_limit=None if body["memory_limit"] is None else int(_number(body["memory_limit"])),
        gpus=tuple(_gpu(gpu) for gpu in body["gpus"][:GPUS_LIMIT]),
    )


def _gpu(fields: Sequence[Any]) -> Gpu:
    name, busy, memory, total = fields
    share = None if busy is None else min(1.0, _number(busy))
    return Gpu(sanitize.text(name)[:NAME_LENGTH], share, int(_number(memory)), int(_number(total)))


def _number(value: float) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no amount")
    return number
