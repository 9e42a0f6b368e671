"""Two thousand suspended jobs in a separate namespace, without a controller."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from jupyter_trainjob.api.resources import NAMESPACES, TRAINJOBS, KubeObject
from jupyter_trainjob.client import context

COUNT = 2000
NAMESPACE = "many"
ELSEWHERE = "kueue.x-k8s.io/multikueue"
"""The manager of the jobs: no cluster here runs its controller, so the jobs stay as they are."""


@contextmanager
def many_jobs() -> Iterator[None]:
    """Create the jobs, the first with its own name, and delete them afterwards."""
    client = context.connect().client
    client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    spec = {"runtimeRef": {"name": "plain"}, "suspend": True, "managedBy": ELSEWHERE}

    def create(name: str) -> None:
        client.create(TRAINJOBS, {"metadata": {"name": name}, "spec": spec}, namespace=NAMESPACE)

    def delete(job: KubeObject) -> None:
        client.delete(TRAINJOBS, job["metadata"]["name"], namespace=NAMESPACE)

    with ThreadPoolExecutor(8) as pool:
        try:
            list(pool.map(create, ["needle", *(f"job-{number:04}" for number in range(1, COUNT))]))
            yield
        finally:
            list(pool.map(delete, client.list(TRAINJOBS, namespace=NAMESPACE).items))
            client.delete(NAMESPACES, NAMESPACE)
