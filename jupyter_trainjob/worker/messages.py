"""The messages that frames carry: what a rank says, as JSON but for ``result`` (`results`) and ``raised`` (`raising`).

Times are unix seconds. A rank says ``start`` first and ``end`` last; a rank that never says ``end`` was killed.
"""

from __future__ import annotations

from typing import Final, TypedDict

START: Final = "start"
METRICS: Final = "metrics"
HISTORY: Final = "history"
USAGE: Final = "usage"
RESULT: Final = "result"
CHECKPOINT: Final = "checkpoint"
ERROR: Final = "error"
RAISED: Final = "raised"
STALL: Final = "stall"
END: Final = "end"


class Start(TypedDict):
    """The worker of a rank has started."""

    time: float
    world: int
    host: str
    pid: int
    python: str


class Reports(TypedDict):
    """Reports as columns of one length, in the order of time; None where a report did not say."""

    time: list[float]
    step: list[float | None]
    total: float | None
    """The newest total that was reported so far."""
    metrics: dict[str, list[float | None]]


class Metrics(Reports, total=False):
    """A ``metrics`` message has new reports; a ``history`` message, the checkpoint, all so far, lows and highs."""

    left_out: int
    """How many reports, since the rank has started, there was no room for: where the message has new ones, and some."""


class Usage(TypedDict):
    """What all processes of the pod use together; said by the first rank of a node, now and then."""

    time: float
    cpu: float
    """Cores in use, on average since the message before."""
    cpu_limit: float | None
    """Cores that they can use."""
    memory: int
    memory_limit: int | None
    """Bytes that they can use."""
    gpus: list[tuple[str, float | None, int, int]]
    """Name, share of the time in which it computed, bytes in use, bytes in all."""


class Checkpoint(TypedDict):
    """The newest checkpoint in the job's folder, as rank 0 sees it; said when it has changed."""

    count: int
    """How many there are."""
    name: str
    step: int | None
    time: float


class Error(TypedDict):
    """The cell raised on this rank."""

    type: str
    module: str
    message: str
    where: str
    """``Cell [12], line 4``; empty if no line of the notebook is to blame."""
    source: str
    """That line, without its indentation."""
    traceback: str
    time: float


class Stall(TypedDict):
    """The rank makes no progress; with an empty stack, it does again."""

    time: float
    quiet: float
    """Seconds without a report or output."""
    where: str
    source: str
    """As those of an `Error`."""
    stack: list[tuple[str, int, str]]
    """File, line and function of the innermost frames, the innermost last."""


class End(TypedDict):
    """The cell is over on this rank."""

    time: float
    ok: bool
