"""What a node says of its processors, memory and GPUs: how often, how much, and what it costs."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_trainjob.worker import usage
from jupyter_trainjob.worker.gauges import Amounts
from jupyter_trainjob.worker.nvml import Gpu
from jupyter_trainjob.worker.protocol import encode
from jupyter_trainjob.worker.usage import INTERVAL, LIMIT_BYTES, PATIENCE, Meter, watch

from .conftest import Notebook

GPUS = [Gpu("NVIDIA H100 80GB HBM3", 0.97, 40 << 30, 80 << 30)] * 8


class Machine:
    """A clock, and counters that go with it."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.work = 0.0
        self.cost = 0.001
        self.said: list[tuple[float, bytes]] = []
        self.gpus: list[Gpu] = []

    def amounts(self) -> Amounts:
        self.work += self.cost
        return Amounts(1.5 * (self.now - 1_795_000_000) + 3, 2.0, 12_345_678_901, 24 << 30)

    def watch(self, seconds: float) -> list[tuple[float, bytes]]:
        """Watch for some time; return what was said when."""
        began = self.now

        def wait(pause: float) -> bool:
            self.now += pause
            return self.now - began > seconds

        def tell(kind: str, body: bytes) -> None:
            assert kind == "usage"
            self.said.append((self.now - began, body))

        meter = Meter(self.amounts, lambda: self.gpus, clock=lambda: self.now)
        watch(meter, tell, wait, clock=lambda: self.now, effort=lambda: self.work)
        return self.said


def test_it_says_what_is_used_since_the_last_time() -> None:
    machine = Machine()
    machine.gpus = GPUS[:1]
    first, *_ = machine.watch(10)
    assert json.loads(first[1]) == {
        "time": 1_795_000_001.0,
        "cpu": 1.5,
        "cpu_limit": 2.0,
        "memory": 12_345_678_901,
        "memory_limit": 24 << 30,
        "gpus": [["NVIDIA H100 80GB HBM3", 0.97, 40 << 30, 80 << 30]],
    }


def test_at_first_it_speaks_every_two_seconds() -> None:
    assert [when for when, _ in Machine().watch(20)] == [1, *range(3, 20, 2)]


@pytest.mark.parametrize("gpus", [[], GPUS], ids=["no GPU", "eight GPUs"])
def test_a_long_run_keeps_to_its_allowance_and_keeps_speaking(gpus: list[Gpu]) -> None:
    machine, days = Machine(), 2 * 24 * 3600.0
    machine.gpus = gpus
    said = machine.watch(days)
    assert sum(len(line) for _, body in said for line in frames(body)) <= usage.allowance(days) < LIMIT_BYTES
    gaps = [(before, later - before) for (before, _), (later, _) in itertools.pairwise(said)]
    assert all(gap <= max(INTERVAL, before / 30) for before, gap in gaps)


def frames(body: bytes) -> list[bytes]:
    return encode(attempt=1_795_000_000_000, rank=0, seq=0, kind="usage", body=body)


def test_looks_that_take_long_become_rare() -> None:
    machine = Machine()
    machine.cost = 0.3
    gaps = [later - before for (before, _), (later, _) in itertools.pairwise(machine.watch(300))]
    assert gaps == [pytest.approx(0.3 * PATIENCE)] * len(gaps)
    assert len(gaps) == 9
    assert 0.3 * PATIENCE > INTERVAL


def failing(error: Exception) -> Callable[[], Amounts]:
    def amounts() -> Amounts:
        raise error

    return amounts


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("nonsense")])
def test_where_the_kernel_does_not_say_nothing_is_said(error: Exception) -> None:
    meter = Meter(failing(error), list)
    assert (meter.look(), meter.look()) == (None, None)


def test_counters_that_fall_are_no_negative_use() -> None:
    counters = iter([9.0, 2.0])
    clock = iter([1.0, 2.0])
    meter = Meter(lambda: Amounts(next(counters), None, 1, None), list, clock=lambda: next(clock))
    assert meter.look() is None
    assert json.loads(meter.look() or b"")["cpu"] == 0


def test_the_allowance_is_reached_within_a_month() -> None:
    assert usage.allowance(0) == 40 * 2**10
    assert usage.allowance(30 * 24 * 3600) < LIMIT_BYTES
    assert usage.allowance(math.inf) == LIMIT_BYTES


BUSY = "import time; end = time.monotonic() + 2.4; any(time.monotonic() > end for _ in iter(int, 1))"
CELL = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def test_the_first_rank_of_a_node_speaks_for_all_that_it_started(notebook: Notebook) -> None:
    ran = notebook.job(CELL, env={"LOCAL_RANK": "0"})
    said: list[dict[str, Any]] = ran.said("usage")
    assert said
    assert said[0]["cpu"] > 0.05  # This process only waits.
    assert said[0]["cpu"] <= said[0]["cpu_limit"] + 0.1
    assert 0 < said[0]["memory"] < said[0]["memory_limit"]
    assert [message.kind for message in ran.messages][-1] == "end"


def test_the_other_ranks_of_a_node_are_silent(notebook: Notebook) -> None:
    assert notebook.job("import time; time.sleep(2)", env={"LOCAL_RANK": "1"}).said("usage") == []


def test_without_a_driver_ctypes_is_not_loaded(notebook: Notebook) -> None:
    ran = notebook.job("import sys, time; time.sleep(1); 'ctypes' in sys.modules", env={usage.VISIBLE: ""})
    assert ran.result is False
