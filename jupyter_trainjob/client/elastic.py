"""What torchrun says of a rank that ended without a word: its report of the root cause, found among a job's log lines.

torchrun ends with code 1 whatever became of its ranks, so with several ranks on a node, or where it starts them, only
this report tells that rank 3 was killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from jupyter_trainjob.client.snapshot import LogLine

_RANK = re.compile(r"\s*rank\s*: (\d+) \(local_rank: \d+\)")
_CODE = re.compile(r"\s*exitcode\s*: (-?\d+) \(pid: \d+\)")


class Cause(NamedTuple):
    """A rank and its exit code as a shell counts: 128 and the signal's number for one that was killed."""

    rank: int
    code: int


def root_cause(log: Iterable[LogLine], *, since: float = 0.0) -> Cause | None:
    """Return the first root cause that a node's torchrun reported after `since`."""
    ranks: dict[int, int] = {}
    """By node: -1 within a report, then the rank that it names."""
    for line in log:
        if line.time < since:
            continue
        if line.text.startswith("Root Cause"):
            ranks[line.rank] = -1
        elif line.rank in ranks:
            if found := _RANK.match(line.text):
                ranks[line.rank] = int(found[1])
            elif found := _CODE.match(line.text):
                code = int(found[1])
                return Cause(ranks[line.rank], 128 - code if code < 0 else code)
    return None
