"""Which rank hangs? From what each rank says of where it stands without progress (`worker.stall`). Pure.

One that hangs makes all others wait for it in their next collective operation. So whoever stands still elsewhere while
others wait there is to blame; or whoever says nothing, since native code keeps its interpreter. A job of one rank, or
one whose ranks all wait, is told only where it had made steps before: long silent work is no fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from jupyter_trainjob.client.amounts import span
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker.messages import Stall

_COLLECTIVE = re.compile(
    r"(?:^|/)(?:torch/)?(?:distributed|autograd)/(?:distributed_c10d|c10d_logger|graph|rendezvous)\.py$"
)
"""Files of PyTorch in which a rank waits for others: the gradients of DDP are exchanged in its backward."""
REMEDY = (
    "Look at that line: a rank that skips a step, or waits for something else, keeps all others waiting. "
    "TRAINJOB_STALL_SECONDS (with --env) sets how long a silence counts."
)
_RENDEZVOUS = re.compile(
    r"clients joined|waiting for clients|client socket has timed out|RendezvousTimeoutError|rendezvous.*time",
    re.IGNORECASE,
)


class Hang(NamedTuple):
    """The rank that the others wait for."""

    rank: int | None
    text: str
    where: str = ""
    source: str = ""
    stack: str = ""


def find(stalls: Mapping[int, Stall], *, ranks: int, over: frozenset[int], stepped: frozenset[int]) -> Hang | None:
    """Return who hangs, None if nobody does as far as one can tell.

    `stalls` are the ranks without progress, `over` those that have ended, `stepped` those that have reported steps.
    """
    waiting = {rank for rank, stall in stalls.items() if _waits(stall)}
    elsewhere = sorted(stalls.keys() - waiting)
    silent = sorted(set(range(ranks)) - stalls.keys() - over)
    if waiting and elsewhere:
        return _hang(elsewhere[0], stalls, f"{_ranks(len(waiting))} for it")
    if waiting and silent and len(silent) < ranks:
        quiet = max(stalls[rank]["quiet"] for rank in waiting)
        text = f"rank {silent[0]} keeps {_ranks(len(waiting), plain=True)} waiting for {span(round(quiet))}"
        return Hang(silent[0], f"{text}, and says nothing of where it is; its log may have its stack")
    if waiting and over:
        rank = min(waiting)
        return _hang(rank, stalls, f"it waits for others, of which {_ranks(len(over), plain=True)} had ended")
    if stalls and len(stalls) == ranks and stalls.keys() <= stepped:
        return _hang(min(stalls), stalls, "" if ranks == 1 else "all ranks stand still")
    return None


def of(record: Record, *, ranks: int) -> Hang | None:
    """Return who hangs in a job of that many ranks."""
    return find(
        record.stalls(),
        ranks=ranks,
        over=frozenset(rank for rank, lives in record.ranks.items() if lives.newest.ended is not None),
        stepped=frozenset(rank for rank in record.ranks if record.step(rank) is not None),
    )


def find_last(record: Record, *, ranks: int) -> Hang | None:
    """Return who hung in a job that is over: its ranks were ended, or gave up waiting."""
    return find(
        record.stalls(),
        ranks=ranks,
        over=frozenset(rank for rank in record.ranks if record.result(rank) is not None),
        stepped=frozenset(rank for rank in record.ranks if record.step(rank) is not None),
    )


def absent(record: Record, message: str, *, ranks: int) -> str:
    """Return which ranks never came to a rendezvous that a message says to have failed; empty if it says no such."""
    if not _RENDEZVOUS.search(message) or not record.ranks:
        return ""
    missing = [rank for rank in range(ranks) if rank not in record.ranks]
    if not missing or len(missing) == ranks:
        return ""
    named = ", ".join(str(rank) for rank in missing[:8]) + (" …" if len(missing) > 8 else "")
    return f"rank{'s' if len(missing) > 1 else ''} {named} of {ranks} never came to the rendezvous"


def _waits(stall: Stall) -> bool:
    return any(_COLLECTIVE.search(file) for file, _, _ in stall["stack"][-4:])


def _hang(rank: int, stalls: Mapping[int, Stall], others: str) -> Hang:
    stall = stalls[rank]
    place = stall["where"] or (f"{stall['stack'][-1][0]}, line {stall['stack'][-1][1]}" if stall["stack"] else "")
    text = f"rank {rank} has made no progress for {span(round(stall['quiet']))}"
    text += f" in {place}" if place else ""
    text += f": {stall['source']}" if stall["source"] else ""
    frames = "".join(f"  {file}, line {line}, in {name}\n" for file, line, name in stall["stack"])
    text += f"; {others}" if others else ""
    return Hang(
        rank, text, stall["where"], stall["source"], f"Rank {rank} stood still here (innermost last):\n{frames}"
    )


def _ranks(count: int, *, plain: bool = False) -> str:
    verb = "" if plain else (" waits" if count == 1 else " wait")
    return f"{count} rank{'' if count == 1 else 's'}{verb}"
