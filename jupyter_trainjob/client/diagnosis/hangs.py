"""Find the rank that hangs, from the stack of each rank without progress (`hang_watchdog`). Pure.

A hanging rank makes all others wait in their next collective operation. So the hanging rank is one that is blocked
elsewhere while others wait there, or one that reports nothing because native code holds the GIL. A job of one rank, or
one whose ranks all wait, counts as hanging only after it has reported steps: long silent work is not a fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from itertools import islice
from typing import NamedTuple

from jupyter_trainjob.client.spec.units import format_duration
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.output.messages import Stall

_COLLECTIVE = re.compile(
    r"(?:^|/)(?:torch/)?(?:distributed|autograd)/(?:distributed_c10d|c10d_logger|graph|rendezvous)\.py$"
)
"""Files of PyTorch in which a rank waits for others; DDP exchanges gradients in backward (autograd)."""
REMEDY = (
    "Check that line: a rank that skips a step, or waits for something else, blocks all others. "
    "TRAINJOB_STALL_SECONDS (with --env) sets the seconds without progress that count as a hang."
)
_RENDEZVOUS = re.compile(
    r"clients joined|waiting for clients|client socket has timed out|RendezvousTimeoutError|rendezvous.*time",
    re.IGNORECASE,
)

MAX_MISSING_RANKS = 10_000
"""Limit for missing ranks; a job may request any number of nodes."""


class Hang(NamedTuple):
    """The rank that the others wait for."""

    rank: int | None
    text: str
    where: str = ""
    source: str = ""
    stack: str = ""


def find_hang(
    stalls: Mapping[int, Stall], *, ranks: int, ended: frozenset[int], stepped: frozenset[int]
) -> Hang | None:
    """Return which rank hangs; None if none does or it cannot be determined.

    `stalls` are the ranks without progress, `ended` those that have ended, `stepped` those that have reported steps.
    """
    waiting = {rank for rank, stall in stalls.items() if _is_in_collective(stall)}
    elsewhere = sorted(stalls.keys() - waiting)
    silent = _silent_ranks(stalls.keys() | ended, ranks)
    if waiting and elsewhere:
        return _describe_hang(elsewhere[0], stalls, f"{_count_ranks(len(waiting))} for it")
    if waiting and silent and len(silent) < ranks:
        quiet = max(stalls[rank]["quiet"] for rank in waiting)
        waiting_ranks = _count_ranks(len(waiting), plain=True)
        text = f"rank {silent[0]} keeps {waiting_ranks} waiting for {format_duration(round(quiet))}"
        return Hang(silent[0], f"{text}, and did not report its stack; its log may contain it")
    if waiting and ended:
        rank = min(waiting)
        return _describe_hang(
            rank, stalls, f"it waits for others, of which {_count_ranks(len(ended), plain=True)} had ended"
        )
    if stalls and len(stalls) == ranks and stalls.keys() <= stepped:
        return _describe_hang(min(stalls), stalls, "" if ranks == 1 else "no rank makes progress")
    return None


def find_current_hang(record: Telemetry, *, ranks: int) -> Hang | None:
    """Return which of the `ranks` ranks of a running job hangs; None if none does."""
    return find_hang(
        record.stalls(),
        ranks=ranks,
        ended=frozenset(rank for rank, lives in record.ranks.items() if lives.newest.ended is not None),
        stepped=frozenset(rank for rank in record.ranks if record.step(rank) is not None),
    )


def find_final_hang(record: Telemetry, *, ranks: int) -> Hang | None:
    """Return which rank hung in a job that is over, whose ranks were ended or timed out."""
    return find_hang(
        record.stalls(),
        ranks=ranks,
        ended=frozenset(rank for rank in record.ranks if record.result(rank) is not None),
        stepped=frozenset(rank for rank in record.ranks if record.step(rank) is not None),
    )


def missing_at_rendezvous(record: Telemetry, message: str, *, ranks: int) -> str:
    """Return which ranks never came to a rendezvous; empty if `message` does not report a failed rendezvous."""
    if not _RENDEZVOUS.search(message) or not record.ranks:
        return ""
    missing = _silent_ranks(record.ranks.keys(), ranks)
    if not missing or len(missing) == ranks:
        return ""
    named = ", ".join(str(rank) for rank in missing[:8]) + (" …" if len(missing) > 8 else "")
    return f"rank{'s' if len(missing) > 1 else ''} {named} of {ranks} did not join the rendezvous"


def _silent_ranks(known: Set[int], ranks: int) -> list[int]:
    """Return the ranks of a job that are not `known`, at most `MAX_MISSING_RANKS`."""
    return list(islice((rank for rank in range(ranks) if rank not in known), MAX_MISSING_RANKS))


def _is_in_collective(stall: Stall) -> bool:
    return any(_COLLECTIVE.search(file) for file, _, _ in stall["stack"][-4:])


def _describe_hang(rank: int, stalls: Mapping[int, Stall], others: str) -> Hang:
    stall = stalls[rank]
    location = stall["where"] or (f"{stall['stack'][-1][0]}, line {stall['stack'][-1][1]}" if stall["stack"] else "")
    text = f"rank {rank} has made no progress for {format_duration(round(stall['quiet']))}"
    text += f" in {location}" if location else ""
    text += f": {stall['source']}" if stall["source"] else ""
    frames = "".join(f"  {file}, line {line}, in {name}\n" for file, line, name in stall["stack"])
    text += f"; {others}" if others else ""
    return Hang(rank, text, stall["where"], stall["source"], f"Rank {rank} hung here (innermost frame last):\n{frames}")


def _count_ranks(count: int, *, plain: bool = False) -> str:
    verb = "" if plain else (" waits" if count == 1 else " wait")
    return f"{count} rank{'' if count == 1 else 's'}{verb}"
