"""Jobs on a Kubernetes cluster with JobSet, Kubeflow Trainer, a kubelet and containers.

Needs ``TRAINJOB_TEST_KUBECONFIG`` (its current context is used) and, in ``TRAINJOB_TEST_IMAGE``, an image that the
cluster has, with this Python's minor version and torch. The cluster's own controller is used.
"""

from __future__ import annotations

import copy
import os
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import NAMESPACES, TRAININGRUNTIMES
from jupyter_trainjob.client import context
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.client.trainjob import live_job
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.waiting import patience, wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
IMAGE = os.environ.get("TRAINJOB_TEST_IMAGE", "")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]


@pytest.fixture(scope="module")
def destination(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A namespace with the package's runtimes and an image that the cluster has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(KUBECONFIG))
        patch.setenv(STATE_DIR_ENV, str(tmp_path_factory.mktemp("state")))
        context.forget_connections()
        name = yaml.safe_load(Path(str(KUBECONFIG)).read_text())["current-context"]
        namespace = f"trainjob-{uuid.uuid4().hex[:8]}"
        client = context.connect(name).client
        client.create(NAMESPACES, {"metadata": {"name": namespace}})
        for runtime in runtimes.load_runtimes():
            local = copy.deepcopy(runtime)
            local["kind"] = TRAININGRUNTIMES.kind
            (job,) = local["spec"]["template"]["spec"]["replicatedJobs"]
            job["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
            local["metadata"]["name"] = f"ours-{runtime['metadata']['name']}"
            client.create(TRAININGRUNTIMES, local, namespace=namespace)
        yield {"context": name, "namespace": namespace}
        client.delete(NAMESPACES, namespace)
        context.forget_connections()


def test_cell_trains_on_two_nodes_and_returns_its_result(destination: dict[str, Any]) -> None:
    cell = (
        "import torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "for step in range(5):\n"
        "    total = weight * torch.ones(1)\n"
        "    dist.all_reduce(total)\n"
        "    report(step=step + 1, total=5, loss=total.item())\n"
        "print('rank', dist.get_rank(), 'is done')\n"
        "dist.destroy_process_group()\n"
        "text = '$HOME `x` ünï'\n"
        "total"
    )
    options = job_options(name="real", nodes=2, runtime="ours-torch-distributed", out=("text",), **destination)
    job = send(prepare_cell(cell, {"weight": 21}, filename="Cell [1]", options=options))
    assert job.result(timeout=patience(240)).item() == 42
    assert job.out["text"] == "$HOME `x` ünï"
    metrics = job.metrics()
    assert sorted(zip(metrics["rank"], metrics["step"], strict=True)) == [
        (rank, step) for rank in (0, 1) for step in (1, 2, 3, 4, 5)
    ]
    assert "rank 1 is done" in job.logs(rank=1)
    again = jupyter_trainjob.get("real", **destination)
    assert again.status() == State.COMPLETE
    assert again.result() == 42
    job.delete()


def test_exception_names_the_rank_and_the_line(destination: dict[str, Any]) -> None:
    cell = (
        "import os, time\nif os.environ['JOB_COMPLETION_INDEX'] == '1':\n    raise ValueError('here')\ntime.sleep(300)"
    )
    options = job_options(name="bad", nodes=2, runtime="ours-plain", **destination)
    job = send(prepare_cell(cell, {}, filename="Cell [1]", options=options))
    with pytest.raises(ValueError, match="here") as raised:
        job.result(timeout=patience(120))
    failure = job.snapshot().failure
    assert failure is not None
    assert (failure.rank, failure.where) == (1, "Cell [1], line 3")
    assert traceback.extract_tb(raised.value.__traceback__)[-1].lineno == 3
    job.delete()


def test_stop_keeps_checkpoints_and_resume_continues(destination: dict[str, Any]) -> None:
    cell = "import time\nfor step in range(3000):\n    report(step=step + 1)\n    time.sleep(0.1)"
    options = job_options(name="long", nodes=1, runtime="ours-plain", **destination)
    job = send(prepare_cell(cell, {}, filename="Cell [1]", options=options))
    wait_for(lambda: (job.snapshot().step or 0) > 5, limit=120)
    live_job(job).stop()
    wait_for(lambda: job.status() == State.STOPPED)
    assert len(job.metrics()["step"]) > 5
    job.resume()
    wait_for(lambda: job.status() == State.RUNNING, limit=120)
    job.delete()


def test_job_with_retries_is_restarted_with_events(destination: dict[str, Any]) -> None:
    options = job_options(
        name="again",
        nodes=2,
        procs_per_node=2,
        memory="600Mi",
        retries=1,
        runtime="ours-torch-distributed",
        **destination,
    )
    job = send(prepare_cell("raise ValueError('always')", {}, filename="Cell [1]", options=options))
    with pytest.raises(ValueError, match="always"):
        job.result(timeout=patience(240))
    assert (job.snapshot().ranks, job.snapshot().runtime) == (4, "ours-torch-distributed")
    assert {"Scheduled", "Started", "SuccessfulCreate"} <= {event["reason"] for event in job.events()}
    assert job.name not in [runtime.name for runtime in jupyter_trainjob.list_runtimes(**destination)]
    job.delete()
    client = context.connect(destination["context"]).client
    wait_for(lambda: client.find(TRAININGRUNTIMES, job.name, namespace=destination["namespace"]) is None)


def test_job_beyond_its_deadline_or_memory_limit_has_the_reason(destination: dict[str, Any]) -> None:
    late = job_options(name="late", deadline="8s", runtime="ours-plain", **destination)
    greedy = job_options(name="greedy", memory="100Mi", runtime="ours-plain", **destination)
    first = send(prepare_cell("import time; time.sleep(300)", {}, filename="Cell [1]", options=late))
    second = send(prepare_cell("bytearray(300 * 2**20)", {}, filename="Cell [2]", options=greedy))
    with pytest.raises(errors.JobFailed, match="longer than its deadline of 8s"):
        first.result(timeout=patience(120))
    with pytest.raises(errors.JobFailed, match="more memory than its limit"):
        second.result(timeout=patience(120))
    first.delete()
    second.delete()
