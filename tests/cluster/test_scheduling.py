"""Reasons of unschedulable pods equal those of kube-scheduler for the same pods and nodes.

Needs ``TRAINJOB_TEST_KUBECONFIG``. All pods fit no node, so nothing runs. What kube-scheduler adds about
preemption is not compared: the embedded scheduler omits it where preemption does not help.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import NAMESPACES, NODES, PODS, KubeObject
from jupyter_trainjob.cluster.scheduler import placement
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.waiting import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(kubeconfig_file.load_transport(kubeconfig=Path(str(KUBECONFIG))))


@pytest.fixture(scope="module")
def namespace(client: Client) -> Iterator[str]:
    name = f"trainjob-{uuid.uuid4().hex[:8]}"
    client.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    client.delete(NAMESPACES, name)


def required(**expression: Any) -> KubeObject:
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


@pytest.mark.parametrize(
    ("requests", "spec"),
    [
        pytest.param({"cpu": "4000"}, {}, id="too many processors"),
        pytest.param({"cpu": "4000", "memory": "900Ti"}, {}, id="too much of two things"),
        pytest.param({"example.com/none": "1"}, {}, id="a device that no node has"),
        pytest.param({}, {"nodeSelector": {"example.com/disk": "none"}}, id="a label that no node has"),
        pytest.param(
            {}, {"affinity": required(key="kubernetes.io/os", operator="NotIn", values=["linux"])}, id="affinity"
        ),
        pytest.param({"cpu": "4000"}, {"nodeSelector": {"example.com/disk": "none"}}, id="the first reason counts"),
        pytest.param({}, {"schedulingGates": [{"name": "example.com/gate"}]}, id="a gate"),
    ],
)
def test_unschedulable_pod_has_kube_schedulers_message(
    client: Client, namespace: str, requests: dict[str, str], spec: KubeObject
) -> None:
    container = {"name": "main", "image": "none", "resources": {"requests": requests, "limits": requests}}
    metadata = {"name": f"p-{uuid.uuid4().hex[:8]}"}
    created = client.create(
        PODS, {"metadata": metadata, "spec": {**spec, "containers": [container]}}, namespace=namespace
    )

    def false_condition() -> KubeObject | None:
        condition = conditions.get_condition(
            client.get(PODS, created["metadata"]["name"], namespace=namespace), "PodScheduled"
        )
        return condition if condition and condition["status"] == "False" else None

    wait_for(lambda: false_condition() is not None)
    scheduled = false_condition() or {}
    if spec.get("schedulingGates"):
        assert (scheduled["reason"], scheduled["message"]) == (
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        )
        return
    rooms = placement.node_infos(client.list(NODES).items)
    assert scheduled["reason"] == "Unschedulable"
    assert scheduled["message"].partition(" preemption:")[0] == placement.choose_node(
        created, placement.pod_requests(created), rooms
    )
