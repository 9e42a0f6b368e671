"""The root cause among the errors of several ranks, regardless of their clocks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_trainjob.client.diagnosis import root_cause
from jupyter_trainjob.metrics.telemetry import RankError

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
def test_connection_errors_are_follow_ups(kind: str, message: str) -> None:
    assert root_cause.is_follow_up(error(kind, message))


@pytest.mark.parametrize(("kind", "message"), CAUSES.values(), ids=CAUSES.keys())
def test_other_errors_are_not_follow_ups(kind: str, message: str) -> None:
    assert not root_cause.is_follow_up(error(kind, message))


def test_cause_precedes_follow_ups_regardless_of_time() -> None:
    late = error("ValueError", "bad", rank=3, time=9.0)
    early = error(*FOLLOW_UPS["gloo"], rank=0, time=1.0)
    assert root_cause.causes_first([early, late]) == [late, early]


def test_describe_other_ranks() -> None:
    errors = [error("ValueError", "bad", rank=3), error(*FOLLOW_UPS["gloo"], rank=0), error("KeyError", "a", rank=1)]
    record: Any = SimpleNamespace(
        ranks=range(6), errors=lambda: errors, result=lambda rank: "yes" if rank == 2 else None
    )
    description = root_cause.describe_other_ranks(record, first=3, ranks=6)
    assert (
        description == "of the other 5, 1 lost the connection to it, 1 failed as well, 1 had finished, 2 were stopped"
    )
    assert root_cause.describe_other_ranks(record, first=3, ranks=5).endswith("1 was stopped")
    assert (
        root_cause.describe_failure_order(record, first=3, ranks=6) == f"Rank 3 (of 0–5) failed first; {description}."
    )
    assert not root_cause.describe_failure_order(record, first=0, ranks=1), "there are no others"
    alone: Any = SimpleNamespace(ranks=dict.fromkeys(range(4)), errors=lambda: errors[:1], result=lambda _: None)
    assert (
        root_cause.describe_failure_order(alone, first=3, ranks=4)
        == "Rank 3 (of 0–3) failed first; the other 3 were stopped."
    )
    assert (
        root_cause.describe_failure_order(alone, first=1, ranks=2)
        == "Rank 1 (of 0–1) failed first; the other failed as well."
    )


def test_pods_that_ended_by_themselves_count_as_failed() -> None:
    record: Any = SimpleNamespace(ranks={}, errors=list, result=lambda _: None)
    assert (
        root_cause.describe_failure_order(record, first=0, ranks=2, exit_codes={0: 3, 1: 3})
        == "Rank 0 (of 0–1) failed first; the other failed as well."
    )
    codes = {0: 3, 1: 3, 2: 143, 3: 137, 4: 0}
    assert (
        root_cause.describe_failure_order(record, first=0, ranks=6, exit_codes=codes)
        == "Rank 0 (of 0–5) failed first; of the other 5, 1 failed as well, 4 were stopped."
    )
