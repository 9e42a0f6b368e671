"""Find the rank that failed first; the others then fail with connection errors. Pure.

Follow-up errors are recognized by type and message, not by time, since the clocks of nodes may differ.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence

from jupyter_trainjob.metrics.telemetry import RankError, Telemetry

_FOLLOW_UP_MESSAGE = re.compile(
    r"connection (?:was )?(?:closed|reset|refused)(?: by peer)?|broken pipe|socket (?:timeout|is closed|not connected)"
    r"|gloo/transport|\bncclRemoteError\b|\bncclSystemError\b|NCCL communicator was aborted|remote process exited"
    r"|timed out waiting (?:\d+ ?ms )?for (?:recv|send)|TCPStore|store_based_barrier|failed to recv, got 0 bytes"
    r"|wait timeout after \d+ ?ms|process group .* aborted",
    re.IGNORECASE,
)
_FOLLOW_UP_TYPES = frozenset(
    {"DistBackendError", "DistNetworkError", "DistStoreError", "ConnectionResetError", "BrokenPipeError"}
)

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM
_STOPPED_CODES = frozenset({0, SIGTERM_EXIT_CODE, 128 + signal.SIGKILL})
"""Exit codes of a pod that finished, or that its cluster ended because another had failed."""


def is_follow_up(error: RankError) -> bool:
    """Whether an exception is what a rank raises after it has lost the connection to another."""
    return error.type in _FOLLOW_UP_TYPES or (
        error.type in ("RuntimeError", "ConnectionError") and _FOLLOW_UP_MESSAGE.search(error.message) is not None
    )


def causes_first(errors: Sequence[RankError]) -> list[RankError]:
    """Return the exceptions ordered by time, with follow-ups last."""
    return sorted(errors, key=lambda error: (is_follow_up(error), error.time, error.rank))


def describe_failure_order(
    record: Telemetry, *, first: int | None, ranks: int, exit_codes: Mapping[int, int] | None = None
) -> str:
    """Return a sentence on which rank failed first and how the others ended; empty for a job of one rank.

    `exit_codes` are those of the ranks' pods, where each pod has one rank.
    """
    if first is None or ranks < 2:
        return ""
    others = describe_other_ranks(record, first=first, ranks=ranks, exit_codes=exit_codes)
    return f"Rank {first} (of 0–{ranks - 1}) failed first; {others}."


def describe_other_ranks(
    record: Telemetry, *, first: int, ranks: int, exit_codes: Mapping[int, int] | None = None
) -> str:
    """Return how the other ranks ended, as in ``the other 3 were stopped``."""
    ended = (exit_codes or {}).items()
    failed = {error.rank for error in record.errors()} | {rank for rank, code in ended if code not in _STOPPED_CODES}
    failed -= {first}
    lost = {error.rank for error in record.errors() if is_follow_up(error)} - {first}
    finished = {rank for rank in record.ranks if record.result(rank) is not None} - failed - {first}
    counts = [
        (len(lost), "lost the connection to it"),
        (len(failed - lost), "failed as well"),
        (len(finished), "had finished"),
        (max(0, ranks - 1 - len(failed) - len(finished)), ""),
    ]
    parts = [f"{count} {cause or _stopped(count)}" for count, cause in counts if count]
    if len(parts) > 1:
        return f"of the other {ranks - 1}, {', '.join(parts)}"
    cause = next(cause for count, cause in counts if count) or _stopped(ranks - 1)
    return f"the other {cause}" if ranks == 2 else f"the other {ranks - 1} {cause}"


def _stopped(count: int) -> str:
    return "were stopped" if count > 1 else "was stopped"
