"""Load: how long a job takes beside ten thousand finished objects, and how two hundred pods at once come up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bench import jobs
from bench.table import Row
from jupyter_trainjob.api.resources import CONFIGMAPS, JOBS, PODS, SECRETS, SERVICES, Object, Resource
from jupyter_trainjob.client import context
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.state import state_dir
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.constants import JOBSET_NAME, VERSION
from jupyter_trainjob.kube.client import Client

FINISHED = 10_000
PODS_AT_ONCE = 200
RUNS = 15
NOBODY = "example.com/nobody"


def rows() -> Iterable[Row]:
    """Measure; most of the time goes into making what is finished, and into two hundred pods."""
    with jobs.cluster():
        alone = _times()
    with jobs.cluster():
        _finish(FINISHED)
        among = _times()
    what = f"a job beside {FINISHED:,} finished objects"
    yield Row(what, among, "s", "≤ 1.1 ×", peer="beside none", theirs=alone)
    with jobs.cluster():
        _times()
        what = f"{PODS_AT_ONCE} pods at once, until all have ended"
        yield Row(what, [_pods_at_once(PODS_AT_ONCE)], "s", "no thrashing")


def _times() -> list[float]:
    jobs.run("1", nodes=1)
    return [_timed() for _ in range(RUNS)]


def _timed() -> float:
    began = time.perf_counter()
    job = send(prepare_cell("1", {}, filename="Cell [1]", options=Options(nodes=1, runtime="plain")))
    job.result(timeout=120)
    took = time.perf_counter() - began
    job.delete()
    return took


def _finish(count: int) -> None:
    """Put finished objects into the store, before there is a daemon."""
    with _offline() as client:
        for number in range(count // 5):
            for resource, obj, status in _finished(number):
                client.create(resource, obj, namespace="default")
                if status:
                    name = obj["metadata"]["name"]
                    client.patch(resource, name, {"status": status}, namespace="default", subresource="status")


def _finished(number: int) -> list[tuple[Resource, Object, Object]]:
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
        yield Client(Core(store, version=VERSION))
    finally:
        store.close()


def _pods_at_once(count: int) -> float:
    """Return the seconds until so many pods, made at once, have all run a Python program and ended well."""
    client, began = context.connect().client, time.perf_counter()
    container = {"name": "node", "image": "none", "command": ["python", "-c", "import json, asyncio, ctypes"]}
    spec = {"restartPolicy": "Never", "containers": [container]}
    for number in range(count):
        client.create(PODS, {"metadata": {"name": f"pod-{number}"}, "spec": spec}, namespace="default")
    while True:
        phases = Counter((each.get("status") or {}).get("phase") for each in client.list(PODS).items)
        if phases["Succeeded"] == count:
            break
        if phases["Failed"]:
            raise RuntimeError(f"of {count} pods some failed: {dict(phases)}")
        time.sleep(0.5)
    took = time.perf_counter() - began
    for number in range(count):
        client.delete(PODS, f"pod-{number}", namespace="default")
    return took
