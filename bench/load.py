"""Duration of a job among ten thousand finished objects, and of two hundred pods that start at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bench import jobs
from bench.table import Row
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, PODS, SECRETS, SERVICES, KubeObject, Resource
from jupyter_trainjob.client import context
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.state.state_dir import state_dir
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import JOBSET_NAME, VERSION
from jupyter_trainjob.kube.client import Client

FINISHED = 10_000
PODS_AT_ONCE = 200
RUNS = 15
NOBODY = "example.com/nobody"


def rows() -> Iterable[Row]:
    """Measure the times in seconds; takes minutes."""
    with jobs.cluster():
        alone = _times()
    with jobs.cluster():
        _finish(FINISHED)
        among = _times()
    name = f"a job beside {FINISHED:,} finished objects"
    yield Row(name, among, "s", "≤ 1.1 ×", peer="beside none", theirs=alone)
    with jobs.cluster():
        _times()
        name = f"{PODS_AT_ONCE} pods at once, until all have ended"
        yield Row(name, [_pods_at_once(PODS_AT_ONCE)], "s", "no thrashing")


def _times() -> list[float]:
    jobs.run("1", nodes=1)
    return [_timed() for _ in range(RUNS)]


def _timed() -> float:
    started_at = time.perf_counter()
    job = send(prepare_cell("1", {}, filename="Cell [1]", options=job_options(nodes=1, runtime="plain")))
    job.result(timeout=120)
    duration = time.perf_counter() - started_at
    job.delete()
    return duration


def _finish(count: int) -> None:
    """Create finished objects in the store before the daemon starts."""
    with _offline() as client:
        for number in range(count // 5):
            for resource, obj, status in _finished(number):
                client.create(resource, obj, namespace="default")
                if status:
                    name = obj["metadata"]["name"]
                    client.patch(resource, name, {"status": status}, namespace="default", subresource="status")


def _finished(number: int) -> list[tuple[Resource, KubeObject, KubeObject]]:
    metadata = {"name": f"finished-{number}", "labels": {JOBSET_NAME: f"finished-{number}"}}
    container = {"name": "node", "image": "none", "command": ["true"]}
    spec = {"restartPolicy": "Never", "schedulerName": NOBODY, "containers": [container]}
    return [
        (PODS, {"metadata": dict(metadata), "spec": spec}, {"phase": "Succeeded"}),
        (
            JOBS,
            {"metadata": dict(metadata), "spec": {"managedBy": NOBODY, "template": {"spec": spec}}},
            {"succeeded": 1},
        ),
        (SERVICES, {"metadata": dict(metadata), "spec": {"clusterIP": "None"}}, {}),
        (SECRETS, {"metadata": dict(metadata), "stringData": {"key": "x" * 200}}, {}),
        (CONFIGMAPS, {"metadata": dict(metadata), "data": {"key": "x" * 200}}, {}),
    ]


@contextmanager
def _offline() -> Iterator[Client]:
    store = Store(state_dir().create().store)
    try:
        yield Client(ApiServer(store, version=VERSION))
    finally:
        store.close()


def _pods_at_once(count: int) -> float:
    """Return the seconds until `count` pods, created at once, have run a Python program and succeeded."""
    client, started_at = context.connect().client, time.perf_counter()
    container = {"name": "node", "image": "none", "command": ["python", "-c", "import json, asyncio, ctypes"]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    for number in range(count):
        client.create(PODS, {"metadata": {"name": f"pod-{number}"}, "spec": spec}, namespace="default")
    while True:
        phases = Counter((pod.get("status") or {}).get("phase") for pod in client.list(PODS).items)
        if phases["Succeeded"] == count:
            break
        if phases["Failed"]:
            raise RuntimeError(f"of {count} pods some failed: {dict(phases)}")
        time.sleep(0.5)
    duration = time.perf_counter() - started_at
    for number in range(count):
        client.delete(PODS, f"pod-{number}", namespace="default")
    return duration
