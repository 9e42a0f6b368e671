"""A thousand TrainJobs, and one of 50 nodes with 5 GPUs each: this package's controller and Kubeflow Trainer's.

Each runs on its own new API server, where the TrainJobs are before it starts. First it makes their JobSets, with no
other controller; then JobSet's controller, Kubernetes' and KWOK's nodes start, and the jobs run to their end. Webhooks
are registered on neither side: the runtime has the values that they would set.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.kubernetes import GPUS_PER_NODE, NODE_COUNT, Cluster, run_cluster
from bench.table import Row
from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, JOBSETS, TRAINJOBS, KubeObject
from jupyter_trainjob.kube.transport import Request
from tests.conformance.kube import control_plane
from tests.controller_process.controller import Process, write_certificate
from tests.differential.upstream import managers

JOBS: Final = 1_000
TIMEOUT: Final = 900.0
_NAMESPACE: Final = "default"
_GPU: Final = "nvidia.com/gpu"

Run = Callable[[Cluster], AbstractContextManager[int]]
"""Runs a controller and gives its process id."""


@dataclass(frozen=True)
class Measured:
    """What is compared."""

    rate: float
    """JobSets per second."""
    duration: float
    """Seconds until all TrainJobs are complete, from the start of the other controllers."""
    large_job: float
    """Seconds from the creation of the large TrainJob until it is complete."""
    memory: float
    """Peak memory (VmHWM) in MB."""
    writes: float
    reads: float
    """Requests per TrainJob."""


def rows(jobs: int = JOBS) -> Iterable[Row]:
    """Measure; takes minutes."""
    ours = _measure(_run_ours, jobs)
    default = _measure(partial(_run_upstream, limits=None), jobs)
    unthrottled = _measure(partial(_run_upstream, limits=managers.UNTHROTTLED), jobs)
    name = f"{jobs:,} TrainJobs"
    for peer, theirs, goal in (("Kubeflow", default, "≥ 2 ×"), ("… unthrottled", unthrottled, "≥ 1 ×")):
        yield Row(f"{name}: JobSets a second", [ours.rate], "/s", goal, peer, [theirs.rate], higher_is_better=True)
        yield Row(f"{name}: until all are complete", [ours.duration], "s", "–", peer, [theirs.duration])
        large = f"a job of {NODE_COUNT} nodes × {GPUS_PER_NODE} GPUs, until it is complete"
        yield Row(large, [ours.large_job], "s", "–", peer, [theirs.large_job])
        yield Row(f"{name}: peak memory", [ours.memory], "MB", "≤ 1.5 ×", peer, [theirs.memory])
        yield Row(f"{name}: writes a job", [ours.writes], "", "≤ 4", peer, [theirs.writes])
        yield Row(f"{name}: reads a job", [ours.reads], "", "–", peer, [theirs.reads])


def _measure(run: Run, jobs: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder, run_cluster(Path(folder) / "cluster") as cluster:
        cluster.client.create(CLUSTERTRAININGRUNTIMES, _runtime())
        for number in range(jobs):
            cluster.client.create(TRAINJOBS, _train_job(f"job-{number}", nodes=1, gpus=1))
        with run(cluster) as pid:
            rate = _jobset_rate(cluster, jobs)
            started_at = time.monotonic()
            with cluster.running_jobs() as processes:
                _wait_until(lambda: _completed(cluster) == jobs, processes, interval=0.5)
                duration = time.monotonic() - started_at
                requests, memory = cluster.requests(), _peak_memory(pid)
                started_at = time.monotonic()
                cluster.client.create(TRAINJOBS, _train_job("large", nodes=NODE_COUNT, gpus=GPUS_PER_NODE))
                _wait_until(
                    lambda: _is_complete(cluster.client.get(TRAINJOBS, "large", namespace=_NAMESPACE)), processes
                )
                large_job = time.monotonic() - started_at
        return Measured(rate, duration, large_job, memory, requests.writes / jobs, requests.reads / jobs)


@contextmanager
def _run_ours(cluster: Cluster) -> Iterator[int]:
    process = Process(cluster.kubeconfig, cluster.folder / "controller.log", "--reconcilers", "trainjob")
    try:
        yield process.pid
    finally:
        process.close()


@contextmanager
def _run_upstream(cluster: Cluster, *, limits: dict[str, int] | None) -> Iterator[int]:
    folder = cluster.folder / "trainer"
    write_certificate(folder)
    [port] = control_plane.free_ports(1)
    with managers.run_trainer(cluster.kubeconfig, folder, port=port, limits=limits) as process:
        yield process.pid


def _jobset_rate(cluster: Cluster, jobs: int) -> float:
    """Wait for all JobSets; return their number per second, from the first on."""
    _wait_until(lambda: _jobsets(cluster) > 0)
    started_at, first = time.monotonic(), _jobsets(cluster)
    _wait_until(lambda: _jobsets(cluster) == jobs)
    return (jobs - first) / (time.monotonic() - started_at)


def _jobsets(cluster: Cluster) -> int:
    """Return the number of JobSets, of which the API server sends only one."""
    answer = cluster.client.raw(Request("GET", JOBSETS.path(_NAMESPACE), {"limit": "1"}))
    found = json.loads(answer.read())
    return len(found["items"]) + int(found["metadata"].get("remainingItemCount") or 0)


def _completed(cluster: Cluster) -> int:
    return sum(map(_is_complete, cluster.client.list(TRAINJOBS).items))


def _is_complete(train_job: KubeObject) -> bool:
    return conditions.is_true(train_job, "Complete")


def _wait_until(
    condition: Callable[[], bool], processes: Sequence[subprocess.Popen[bytes]] = (), *, interval: float = 0.02
) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with exit code {process.returncode}")
        if time.monotonic() > deadline:
            raise RuntimeError("the controllers did not get done in time")
        time.sleep(interval)


def _peak_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _train_job(name: str, *, nodes: int, gpus: int) -> KubeObject:
    trainer = {"numNodes": nodes, "resourcesPerNode": {"requests": {_GPU: gpus}, "limits": {_GPU: gpus}}}
    spec = {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer}
    return {"metadata": {"name": name, "namespace": _NAMESPACE}, "spec": spec}


def _runtime() -> KubeObject:
    """Return a runtime with what JobSet's webhook would set."""
    containers = [{"name": "node", "image": "image", "command": ["torchrun", "train.py"]}]
    pods = {"spec": {"restartPolicy": "OnFailure", "containers": containers}}
    template = {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"completionMode": "Indexed", "template": pods},
    }
    jobset = {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        "successPolicy": {"operator": "All"},
        "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
        "replicatedJobs": [{"name": "node", "groupName": "default", "replicas": 1, "template": template}],
    }
    spec = {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": jobset}}
    return {"metadata": {"name": "torch-distributed"}, "spec": spec}
