"""Jobs in a Kueue queue on a Kubernetes cluster: admission, waiting, preemption, stop and resume.

Needs ``TRAINJOB_TEST_KUBECONFIG`` (its current context is used): a cluster with Kueue, Kubeflow Trainer and nodes with
16 GPUs, which may be fake ones (KWOK): the pods only run for some seconds.
"""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import NAMESPACES, TRAININGRUNTIMES, TRAINJOBS, KubeObject, Resource
from jupyter_trainjob.client import context, job_lookup, queries
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.client.trainjob import TrainJob, live_job
from jupyter_trainjob.constants import KUEUE_GROUP, KUEUE_PATCH_MANAGER, KUEUE_QUEUE_LABEL, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request
from tests.waiting import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
QUEUE = "default"
"""Kueue puts every job of a namespace with a queue of this name into it."""
GPU = "nvidia.com/gpu"


def kueue(kind: str, plural: str, *, namespaced: bool = False) -> Resource:
    return Resource(KUEUE_GROUP, "v1beta2", kind, plural, namespaced=namespaced)


FLAVORS = kueue("ResourceFlavor", "resourceflavors")
CLUSTER_QUEUES = kueue("ClusterQueue", "clusterqueues")
PRIORITIES = kueue("WorkloadPriorityClass", "workloadpriorityclasses")
LOCAL_QUEUES = kueue("LocalQueue", "localqueues", namespaced=True)


@pytest.fixture(scope="module")
def destination(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A namespace with a queue that has room for one job of two nodes with eight GPUs each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(KUBECONFIG))
        patch.setenv(STATE_DIR_ENV, str(tmp_path_factory.mktemp("state")))
        context.forget_connections()
        name = yaml.safe_load(Path(str(KUBECONFIG)).read_text())["current-context"]
        client = context.connect(name).client
        try:
            client.raw(Request("GET", f"/apis/{KUEUE_GROUP}")).read()
        except errors.NotFound:
            pytest.skip("this cluster has no Kueue")
        unique = f"trainjob-{uuid.uuid4().hex[:8]}"
        shared: list[tuple[Resource, KubeObject]] = [
            (FLAVORS, {}),
            (PRIORITIES, {"value": 1000}),
            (CLUSTER_QUEUES, {"spec": _room(unique)}),
        ]
        client.create(NAMESPACES, {"metadata": {"name": unique}})
        for resource, body in shared:
            client.create(resource, {"metadata": {"name": unique}, **body})
        local = {"metadata": {"name": QUEUE}, "spec": {"clusterQueue": unique}}
        client.create(LOCAL_QUEUES, local, namespace=unique)
        for runtime in runtimes.load_runtimes():
            own = copy.deepcopy(runtime)
            own["kind"] = TRAININGRUNTIMES.kind
            own["metadata"]["name"] = f"ours-{runtime['metadata']['name']}"
            client.create(TRAININGRUNTIMES, own, namespace=unique)
        yield {"context": name, "namespace": unique}
        for job in queries.list_jobs(context=name, namespace=unique):
            job.delete()
        client.delete(NAMESPACES, unique)
        for resource, _ in reversed(shared):
            client.delete(resource, unique)
        context.forget_connections()


def _room(flavor: str) -> KubeObject:
    amounts = {GPU: "16", "cpu": "64", "memory": "256Gi"}
    quotas = [{"name": name, "nominalQuota": amount} for name, amount in amounts.items()]
    return {
        "namespaceSelector": {},
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": list(amounts), "flavors": [{"name": flavor, "resources": quotas}]}],
    }


def sent(destination: dict[str, Any], name: str, *, urgent: bool = False, **more: Any) -> TrainJob:
    """Submit a job that needs the whole quota of the queue."""
    options = job_options(name=name, nodes=2, gpus=8, runtime="ours-plain", **more, **destination)
    prepared = prepare_cell("1", {}, filename="Cell [1]", options=options)
    if urgent:
        prepared.trainjob["metadata"]["labels"][PRIORITY_LABEL] = destination["namespace"]
    return send(prepared)


def stored(client: Client, job: TrainJob) -> KubeObject:
    return client.get(TRAINJOBS, job.name, namespace=job.namespace)


def becomes(job: TrainJob, state: State, *words: str) -> None:
    """Wait until a job is in a state with a reason that contains a text."""

    def has() -> bool:
        snapshot = job.snapshot()
        return snapshot.state is state and all(word in snapshot.reason for word in words)

    wait_for(has, limit=90)


def test_job_is_admitted_queued_preempted_and_resumed(destination: dict[str, Any]) -> None:
    client = context.connect(destination["context"]).client
    first = sent(destination, "first", env={"EMPTY": ""})
    becomes(first, State.RUNNING)
    assert stored(client, first)["metadata"]["labels"][KUEUE_QUEUE_LABEL] == QUEUE

    second = sent(destination, "second")
    waits = ("Kueue holds it in the queue 'default', place 1", "not enough free quota", "16 more needed")
    becomes(second, State.QUEUED, *waits)
    assert second.status() == State.QUEUED
    rows = {row.name: row for row in job_lookup.list_snapshots(**destination)}
    assert rows[second.name].state is State.QUEUED
    assert rows[second.name].reason == second.snapshot().reason
    assert job_lookup.read_snapshot(second.name, **destination).reason == second.snapshot().reason

    urgent = sent(destination, "urgent", urgent=True)
    becomes(first, State.QUEUED, "preempted", "more important job of the same queue", "continues automatically")
    assert {node.state for node in first.snapshot().pods} == {"Waiting"}
    becomes(urgent, State.RUNNING)

    live_job(urgent).stop()
    assert urgent.status() == State.STOPPED
    becomes(first, State.RUNNING)  # Its quota is free again, and it stays stopped.
    assert urgent.status() == State.STOPPED
    assert stored(client, urgent)["spec"]["suspend"] is True

    urgent.resume()
    becomes(urgent, State.RUNNING)
    becomes(first, State.QUEUED, "preempted")
    becomes(urgent, State.COMPLETE)
    becomes(first, State.COMPLETE)
    becomes(second, State.COMPLETE)
    assert [job.snapshot().failure for job in (first, second, urgent)] == [None, None, None]


def test_copies_leave_out_fields_written_by_kueue(destination: dict[str, Any]) -> None:
    client = context.connect(destination["context"]).client
    job = sent(destination, "copied")
    becomes(job, State.RUNNING)
    assert [entry["manager"] for entry in stored(client, job)["spec"]["runtimePatches"]][-1] == KUEUE_PATCH_MANAGER
    assert KUEUE_PATCH_MANAGER not in job.to_yaml()
    exported = yaml.safe_load(job.to_yaml())
    exported["metadata"]["name"] = f"{job.name}-again"
    client.create(TRAINJOBS, exported)
    again = [queries.get(exported["metadata"]["name"], **destination), job.rerun(), job.fork(env={"A": ""})]
    for entry in again:
        becomes(entry, State.QUEUED, "Kueue holds it")
    for entry in (job, *again):
        entry.delete()
