"""The messages in frames, all JSON but ``result`` (`rank_results`) and ``raised`` (`raised_exception`).

Times are unix seconds. ``start`` is a rank's first message and ``end`` its last; a rank without ``end`` was killed.
"""

from __future__ import annotations

import unicodedata
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
SOLO: Final = "solo"
UNSENT: Final = "unsent"
END: Final = "end"

COUNT_LIMIT: Final = 2**53
"""Maximum of steps and totals: the largest integer that floats, and JavaScript, count exactly."""
NAMES_LIMIT: Final = 200
NAME_LENGTH: Final = 120
"""Metrics of a rank, and characters of a metric's name."""
RESERVED: Final = frozenset({"time", "rank", "step"})
"""Columns of every report, which cannot be names of metrics."""


def metric_name_error(name: str) -> str:
    """Return why a metric cannot have this name; empty if it can.

    >>> metric_name_error("val/loss")
    ''
    >>> metric_name_error("")
    'the name of a metric must be visible, as in report(loss=0.5)'
    """
    if len(name) > NAME_LENGTH:
        return f"the name of a metric has at most {NAME_LENGTH} characters"
    if name.isidentifier():  # Fast path: readers check each name of each message.
        return ""
    if any(unicodedata.category(char) in _NO_TEXT for char in name):
        return "the name of a metric is one line of text, without control characters"
    if all(unicodedata.category(char) in _INVISIBLE for char in name):
        return "the name of a metric must be visible, as in report(loss=0.5)"
    return ""


_NO_TEXT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that cannot be part of a line: controls, surrogates, line and paragraph separators."""
_INVISIBLE: Final = frozenset({"Cf", "Zs"})
"""Unicode categories of spaces and format characters."""


class Start(TypedDict):
    """The worker of a rank has started."""

    time: float
    world: int
    host: str
    pid: int
    python: str


class Reports(TypedDict):
    """Reports as columns of one length, in the order of time; None for missing values."""

    time: list[float]
    step: list[float | None]
    total: float | None
    """The newest reported total."""
    metrics: dict[str, list[float | None]]


class Metrics(Reports, total=False):
    """Body of ``metrics``, with new reports, and of ``history``, with minima and maxima of all reports."""

    left_out: int
    """Number of reports since the start that were dropped for lack of room; only in ``metrics``, if not 0."""


class Usage(TypedDict):
    """Usage of all processes of the pod; sent by the first rank of a node at intervals."""

    time: float
    cpu: float
    """Cores in use, on average since the message before."""
    cpu_limit: float | None
    """Cores available to the pod."""
    memory: int
    memory_limit: int | None
    """Bytes available to the pod."""
    gpus: list[tuple[str, float | None, int, int]]
    """Name, share of the time in which it computed, bytes in use, total bytes."""


class Checkpoint(TypedDict):
    """The newest checkpoint in the job's folder, as seen by rank 0; sent when it has changed."""

    count: int
    """Number of checkpoints."""
    name: str
    step: int | None
    time: float


class Error(TypedDict):
    """The cell raised on this rank."""

    type: str
    module: str
    message: str
    where: str
    """``Cell [12], line 4``; empty if no line of the notebook is involved."""
    source: str
    """Source of that line, without its indentation."""
    traceback: str
    time: float


class Stall(TypedDict):
    """The rank makes no progress; an empty stack means that it does again."""

    time: float
    quiet: float
    """Seconds without a report or output."""
    where: str
    source: str
    """See `Error`."""
    stack: list[tuple[str, int, str]]
    """File, line and function of the innermost frames, the innermost one last."""


class Solo(TypedDict):
    """Rank 0 reports, but has no process group with other ranks."""

    time: float


class Unsent(TypedDict):
    """The rank cannot send parts of its result."""

    time: float
    sentences: list[str]
    """One for each part, with the reason and the remedy."""


class End(TypedDict):
    """The cell has ended on this rank."""

    time: float
    ok: bool
