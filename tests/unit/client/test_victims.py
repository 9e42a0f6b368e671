"""A rank that lost another one is not the one to blame, whatever the clocks say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_trainjob.client import victims
from jupyter_trainjob.metrics.record import RankError

FOLLOW_UPS: dict[str, tuple[str, str]] = {
    "gloo": (
        "RuntimeError",
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4321",
    ),
    "gloo's timeout": (
        "RuntimeError",
        "[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv",
    ),
    "NCCL": ("DistBackendError", "NCCL error in: ProcessGroupNCCL.cpp:1101, remote process exited"),
    "the store": ("DistNetworkError", "failed to recv, got 0 bytes"),
    "a socket": ("ConnectionResetError", "[Errno 104] Connection reset by peer"),
}
CAUSES: dict[str, tuple[str, str]] = {
    "the cell's": ("ValueError", "Connection closed by peer"),
    "torch's own": ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (4x3 and 4x3)"),
    "memory": ("OutOfMemoryError", "CUDA out of memory"),
}


def error(kind: str, message: str, *, rank: int = 0, time: float = 0.0) -> RankError:
    return RankError(rank=rank, time=time, type=kind, message=message, where="", source="", traceback="")


@pytest.mark.parametrize(("kind", "message"), FOLLOW_UPS.values(), ids=FOLLOW_UPS.keys())
def test_follow_ups(kind: str, message: str) -> None:
    assert victims.is_follow_up(error(kind, message))


@pytest.mark.parametrize(("kind", "message"), CAUSES.values(), ids=CAUSES.keys())
def test_causes(kind: str, message: str) -> None:
    assert not victims.is_follow_up(error(kind, message))


def test_a_cause_comes_first_although_its_clock_is_late() -> None:
    late = error("ValueError", "bad", rank=3, time=9.0)
    early = error(*FOLLOW_UPS["gloo"], rank=0, time=1.0)
    assert victims.by_blame([early, late]) == [late, early]


def test_how_the_others_ended() -> None:
    errors = [error("ValueError", "bad", rank=3), error(*FOLLOW_UPS["gloo"], rank=0), error("KeyError", "a", rank=1)]
    record: Any = SimpleNamespace(errors=lambda: errors, result=lambda rank: "yes" if rank == 2 else None)
    told = victims.others(record, first=3, ranks=6)
    assert told == "1 lost the connection to it, 1 failed as well, 1 had finished, 2 were stopped"
    assert victims.others(record, first=3, ranks=5).endswith("1 was stopped")
    assert victims.course(record, first=3, ranks=6) == f"Rank 3 of 6 failed first; of the others, {told}."
    assert not victims.course(record, first=0, ranks=1), "there are no others"
