"""The usage messages of a node: their interval, their size and their cost."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_trainjob.worker.monitoring import usage_reporter
from jupyter_trainjob.worker.monitoring.nvml import Gpu
from jupyter_trainjob.worker.monitoring.resource_usage import ResourceUsage
from jupyter_trainjob.worker.monitoring.usage_reporter import INTERVAL, LIMIT_BYTES, PATIENCE, UsageMeter, report_usage
from jupyter_trainjob.worker.protocol import encode
from tests.unit.worker.conftest import Notebook, Ran, clean

GPUS = [Gpu("NVIDIA H100 80GB HBM3", 0.97, 40 << 30, 80 << 30)] * 8


class Machine:
    """A simulated clock with counters that increase with it."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.work = 0.0
        self.cost = 0.001
        self.sent: list[tuple[float, bytes]] = []
        self.gpus: list[Gpu] = []

    def amounts(self) -> ResourceUsage:
        self.work += self.cost
        return ResourceUsage(1.5 * (self.now - 1_795_000_000) + 3, 2.0, 12_345_678_901, 24 << 30)

    def watch(self, seconds: float) -> list[tuple[float, bytes]]:
        """Watch for some time; return the messages with the seconds since the start."""
        began = self.now

        def wait(pause: float) -> bool:
            self.now += pause
            return self.now - began > seconds

        def send(kind: str, body: bytes) -> None:
            assert kind == "usage"
            self.sent.append((self.now - began, body))

        meter = UsageMeter(self.amounts, lambda: self.gpus, clock=lambda: self.now)
        report_usage(meter, send, wait, clock=lambda: self.now, effort=lambda: self.work)
        return self.sent


def test_usage_is_measured_since_the_last_sample() -> None:
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


def test_first_samples_are_two_seconds_apart() -> None:
    assert [when for when, _ in Machine().watch(20)] == [1, *range(3, 20, 2)]


@pytest.mark.parametrize("gpus", [[], GPUS], ids=["no GPU", "eight GPUs"])
def test_long_run_stays_within_its_allowance_and_keeps_reporting(gpus: list[Gpu]) -> None:
    machine, days = Machine(), 2 * 24 * 3600.0
    machine.gpus = gpus
    messages = machine.watch(days)
    assert (
        sum(len(line) for _, body in messages for line in frames(body)) <= usage_reporter.allowance(days) < LIMIT_BYTES
    )
    gaps = [(before, later - before) for (before, _), (later, _) in itertools.pairwise(messages)]
    assert all(gap <= max(INTERVAL, before / 30) for before, gap in gaps)


def frames(body: bytes) -> list[bytes]:
    return encode(attempt=1_795_000_000_000, rank=0, seq=0, kind="usage", body=body)


def test_slow_samples_are_taken_less_often() -> None:
    machine = Machine()
    machine.cost = 0.3
    gaps = [later - before for (before, _), (later, _) in itertools.pairwise(machine.watch(300))]
    assert gaps == [pytest.approx(0.3 * PATIENCE)] * len(gaps)
    assert len(gaps) == 9
    assert 0.3 * PATIENCE > INTERVAL


def failing(error: Exception) -> Callable[[], ResourceUsage]:
    def amounts() -> ResourceUsage:
        raise error

    return amounts


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("nonsense")])
def test_nothing_is_sent_if_the_kernel_reports_no_usage(error: Exception) -> None:
    meter = UsageMeter(failing(error), list)
    assert (meter.sample(), meter.sample()) == (None, None)


def test_decreasing_counters_yield_no_negative_usage() -> None:
    counters = iter([9.0, 2.0])
    clock = iter([1.0, 2.0])
    meter = UsageMeter(lambda: ResourceUsage(next(counters), None, 1, None), list, clock=lambda: next(clock))
    assert meter.sample() is None
    assert json.loads(meter.sample() or b"")["cpu"] == 0


def test_allowance_is_reached_within_a_month() -> None:
    assert usage_reporter.allowance(0) == 40 * 2**10
    assert usage_reporter.allowance(30 * 24 * 3600) < LIMIT_BYTES
    assert usage_reporter.allowance(math.inf) == LIMIT_BYTES


BUSY = "import os; any(os.path.exists('gate') for _ in iter(int, 1))"
CELL = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"


def until_busy(notebook: Notebook) -> Ran:
    """Run a job whose child process computes until a usage message shows it."""
    working_dir = notebook.folder / "work"
    working_dir.mkdir()
    command = [sys.executable, str(notebook.put(notebook.capture(CELL)))]
    env = clean({"LOCAL_RANK": "0"})
    with subprocess.Popen(
        command, cwd=working_dir, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            busy = any(usage["cpu"] > 0.05 for usage in Ran(0, line, "").bodies("usage"))  # The rank itself only waits.
            if busy:
                (working_dir / "gate").touch()
    return Ran(process.returncode, b"".join(lines), "")


def test_first_rank_of_a_node_reports_its_child_processes(notebook: Notebook) -> None:
    ran = until_busy(notebook)
    samples: list[dict[str, Any]] = ran.bodies("usage")
    assert any(sample["cpu"] > 0.05 for sample in samples)
    assert all(sample["cpu"] <= sample["cpu_limit"] + 0.1 for sample in samples)
    assert all(0 < sample["memory"] < sample["memory_limit"] for sample in samples)
    assert [message.kind for message in ran.messages][-1] == "end"


def test_other_ranks_of_a_node_send_no_usage(notebook: Notebook) -> None:
    assert notebook.job("import time; time.sleep(2)", env={"LOCAL_RANK": "1"}).bodies("usage") == []


def test_ctypes_is_not_loaded_without_a_driver(notebook: Notebook) -> None:
    ran = notebook.job("import sys, time; time.sleep(1); 'ctypes' in sys.modules", env={usage_reporter.VISIBLE: ""})
    assert ran.result is False
