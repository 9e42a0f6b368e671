"""Who failed first? When one rank fails, the others lose their connection to it and complain as loudly. Pure.

Their complaints are told from causes by what they say, not by the clocks of their nodes, which may differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_trainjob.metrics.record import RankError, Record

_FOLLOW_UP = re.compile(
    r"connection (?:was )?(?:closed|reset|refused)(?: by peer)?|broken pipe|socket (?:timeout|is closed|not connected)"
    r"|gloo/transport|\bncclRemoteError\b|\bncclSystemError\b|NCCL communicator was aborted|remote process exited"
    r"|timed out waiting (?:\d+ ?ms )?for (?:recv|send)|TCPStore|store_based_barrier|failed to recv, got 0 bytes"
    r"|wait timeout after \d+ ?ms|process group .* aborted",
    re.IGNORECASE,
)
_TYPES = frozenset(
    {"DistBackendError", "DistNetworkError", "DistStoreError", "ConnectionResetError", "BrokenPipeError"}
)


def is_follow_up(error: RankError) -> bool:
    """Whether an exception is what a rank says that lost another one."""
    return error.type in _TYPES or (
        error.type in ("RuntimeError", "ConnectionError") and _FOLLOW_UP.search(error.message) is not None
    )


def by_blame(errors: Sequence[RankError]) -> list[RankError]:
    """Return exceptions with causes before follow-ups, the first first."""
    return sorted(errors, key=lambda error: (is_follow_up(error), error.time, error.rank))


def course(record: Record, *, first: int | None, ranks: int) -> str:
    """Return a sentence on which rank failed first, and how the others ended; empty where that goes without saying."""
    if first is None or ranks < 2:
        return ""
    rest = others(record, first=first, ranks=ranks)
    return f"Rank {first} of {ranks} failed first{f'; of the others, {rest}' if rest else ''}."


def others(record: Record, *, first: int, ranks: int) -> str:
    """Return how the ranks ended that did not fail first: ``5 lost it, 1 had finished, 1 was stopped``."""
    failed = {error.rank for error in record.errors()} - {first}
    lost = {error.rank for error in record.errors() if is_follow_up(error)} - {first}
    finished = {rank for rank in range(ranks) if record.result(rank) is not None} - failed - {first}
    counts = [
        (len(lost), "lost the connection to it"),
        (len(failed - lost), "failed as well"),
        (len(finished), "had finished"),
        (max(0, ranks - 1 - len(failed) - len(finished)), ""),
    ]
    told = [f"{count} {what or ('were stopped' if count > 1 else 'was stopped')}" for count, what in counts if count]
    return ", ".join(told)
