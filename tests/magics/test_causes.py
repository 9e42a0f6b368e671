"""Causes and remedies of failing and hanging jobs on the embedded cluster."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.worker.monitoring.hang_watchdog import SECONDS_ENV
from tests import needs
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.usefixtures("cluster")

ENDS = {
    "a signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", {}, "SIGSEGV: native code", "FAULTHANDLER"),
    "a package that is missing": (
        "import no_such_package",
        {},
        "ModuleNotFoundError",
        "no package for 'no_such_package'",
    ),
    "memory": ("held = b'x' * (3 << 30)", {"memory": "1Gi"}, "", "emory"),
    "a deadline": ("import time\ntime.sleep(60)", {"deadline": 3}, "deadline of 3s", "--deadline"),
}


def start(cell: str, **options: Any) -> TrainJob:
    return send(prepare_cell(cell, {}, filename="Cell [1]", options=job_options(**options)))


@pytest.mark.parametrize(("cell", "options", "headline", "remedy"), ENDS.values(), ids=ENDS)
def test_failure_has_a_cause_and_a_remedy(cell: str, options: dict[str, Any], headline: str, remedy: str) -> None:
    job = start(cell, **options)
    job.wait(timeout=patience(60))
    failure = job.snapshot().failure
    assert failure is not None
    assert headline in failure.headline
    assert remedy in failure.remedy


@pytest.mark.journey
def test_hanging_rank_is_named_with_its_line(cluster: StateDir) -> None:
    needs.module("torch")
    cell = (
        "import time, torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "if dist.get_rank() == 1:\n"
        "    time.sleep(600)\n"
        "dist.all_reduce(torch.ones(1))\n"
    )
    job = start(cell, nodes=2, runtime="torch-distributed", env={SECONDS_ENV: "2"})
    wait_for(lambda: "progress" in job.snapshot().reason)
    assert "in Cell [1], line 4: time.sleep(600); 1 rank waits for it" in job.snapshot().reason
    job.delete()


def test_stack_of_a_rank_in_native_code_is_in_its_log(cluster: StateDir) -> None:
    cell = "import ctypes\nctypes.PyDLL(None).sleep(4)\n"
    job = start(cell, env={SECONDS_ENV: "1"})
    job.wait(timeout=patience(60))
    text = "\n".join(line.text for line in job.snapshot().log)
    assert "Timeout (0:00:01" in text
    assert "line 2 in <module>" in text
