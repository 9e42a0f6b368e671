"""What a node's processes use, as the first rank of the node says it: read from a ``usage`` message.

A program could print something that looks like such a message, so each value is checked: ValueError, KeyError or
TypeError where one makes no sense.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_trainjob.worker import messages

GPUS_LIMIT = 64
NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of a node, as NVML sees it. Memory in bytes."""

    name: str
    busy: float | None
    """Share of the time in which it computed, 0..1."""
    memory: int
    memory_total: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes of one pod use together: the newest that its first rank said."""

    time: float
    cpu: float
    """Cores in use, on average since the message before."""
    cpu_limit: float | None
    """Cores that it can use: its limit, else what the machine gives to one process."""
    memory: int
    """Bytes."""
    memory_limit: int | None
    """Bytes that it can use: its limit, else what the machine has."""
    gpus: tuple[Gpu, ...] = ()


def read(body: messages.Usage) -> Usage:
    """Read the body of a ``usage`` message."""
    return Usage(
        time=_number(body["time"]),
        cpu=_number(body["cpu"]),
        cpu_limit=None if body["cpu_limit"] is None else _number(body["cpu_limit"]),
        memory=int(_number(body["memory"])),
        memory_limit=None if body["memory_limit"] is None else int(_number(body["memory_limit"])),
        gpus=tuple(_gpu(gpu) for gpu in body["gpus"][:GPUS_LIMIT]),
    )


def _gpu(fields: Sequence[Any]) -> Gpu:
    name, busy, memory, total = fields
    share = None if busy is None else min(1.0, _number(busy))
    return Gpu(str(name)[:NAME_LENGTH], share, int(_number(memory)), int(_number(total)))


def _number(value: float) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is no amount")
    return number
