"""Find torchrun's report of the root cause in a job's log (torch.distributed.elastic.multiprocessing.errors).

torchrun exits with code 1 regardless of how its ranks ended, so only this report has the rank and its exit code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from jupyter_trainjob.client.snapshot import LogLine

_RANK = re.compile(r"\s*rank\s*: (\d+) \(local_rank: \d+\)")
_CODE = re.compile(r"\s*exitcode\s*: (-?\d+) \(pid: \d+\)")


class RankExit(NamedTuple):
    """A rank and its exit code as a shell reports it: 128 plus the signal's number for a killed process."""

    rank: int
    code: int


def find_root_cause(log: Iterable[LogLine], *, since: float = 0.0) -> RankExit | None:
    """Return the first root cause that torchrun reported on any node since the unix time `since`."""
    ranks: dict[int, int] = {}
    """By node: -1 at the start of a report, then the rank in it."""
    for line in log:
        if line.time < since:
            continue
        if line.text.startswith("Root Cause"):
            ranks[line.rank] = -1
        elif line.rank in ranks:
            if match := _RANK.match(line.text):
                ranks[line.rank] = int(match[1])
            elif match := _CODE.match(line.text):
                code = int(match[1])
                return RankExit(ranks[line.rank], 128 - code if code < 0 else code)
    return None
