"""The warning about a rank that trains without a process group: which cells cause it, and which do not."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from jupyter_trainjob.worker.monitoring.solo_rank import COMMUNICATORS, POLLS, REPORTS, SoloRankCheck
from jupyter_trainjob.worker.output.messages import SOLO

CELL = "for step in range(9):\n    report(step=step, loss=1.0)"


@pytest.fixture(autouse=True)
def _no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*COMMUNICATORS, "torch.distributed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())


def poll(check: SoloRankCheck, times: int = 5 * POLLS) -> None:
    for _ in range(times):
        check.poll()


def messages_of(source: str = CELL, *, reports: int = REPORTS, rank: int = 0) -> list[str]:
    messages: list[str] = []
    times = lambda count: [1.0] * min(count, reports)  # noqa: E731
    check = SoloRankCheck(lambda kind, _: messages.append(kind), rank=rank, reports=times, source=source)
    poll(check)
    return messages


def test_rank_that_reports_without_process_group_is_reported_once() -> None:
    assert messages_of() == [SOLO]
    assert messages_of(rank=1) == [], "only rank 0 reports it"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('rank = int(os.environ["RANK"])', id="its rank"),
        pytest.param('part = data[0::int(os.environ["WORLD_SIZE"])]', id="the number of ranks"),
    ],
)
def test_cell_that_divides_the_work_by_rank_is_not_reported(source: str) -> None:
    assert messages_of(f"{source}\n{CELL}") == []


def test_cell_without_torch_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert messages_of() == []


def test_cell_with_too_few_reports_is_not_reported() -> None:
    assert messages_of(reports=REPORTS - 1) == []


@pytest.mark.parametrize("name", COMMUNICATORS)
def test_other_communication_library_prevents_the_report(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    assert messages_of() == []


def test_destroyed_process_group_counts_as_group(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    initialized = [False]
    torch = SimpleNamespace(is_initialized=lambda: initialized[0])
    monkeypatch.setitem(sys.modules, "torch.distributed", torch)
    reports: list[float] = []
    check = SoloRankCheck(lambda kind, _: messages.append(kind), rank=0, reports=lambda _: reports, source=CELL)
    poll(check)
    initialized[0] = True
    poll(check, 1)
    initialized[0] = False
    reports += [1.0] * REPORTS
    poll(check)
    assert messages == []


def test_torch_without_a_process_group_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed", SimpleNamespace(is_initialized=lambda: False))
    assert messages_of() == [SOLO]
