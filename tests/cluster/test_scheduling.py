"""The reasons of waiting that kube-scheduler gives are those that ours gives: the same pods, the same nodes.

Needs ``TRAINJOB_TEST_KUBECONFIG``. Only pods that fit no node are made, so nothing runs. What kube-scheduler adds about
preemption is not compared: ours says nothing where it does not help.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import NAMESPACES, NODES, PODS, Object
from jupyter_trainjob.cluster import placement
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.client import Client
from tests.embedded import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(config.transport(kubeconfig=Path(str(KUBECONFIG))))


@pytest.fixture(scope="module")
def namespace(client: Client) -> Iterator[str]:
    name = f"trainjob-{uuid.uuid4().hex[:8]}"
    client.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    client.delete(NAMESPACES, name)


def required(**expression: Any) -> Object:
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
def test_a_pod_that_cannot_run_is_told_the_same(
    client: Client, namespace: str, requests: dict[str, str], spec: Object
) -> None:
    container = {"name": "main", "image": "none", "resources": {"requests": requests, "limits": requests}}
    metadata = {"name": f"p-{uuid.uuid4().hex[:8]}"}
    made = client.create(PODS, {"metadata": metadata, "spec": {**spec, "containers": [container]}}, namespace=namespace)

    def told() -> Object | None:
        found = conditions.get(client.get(PODS, made["metadata"]["name"], namespace=namespace), "PodScheduled")
        return found if found and found["status"] == "False" else None

    wait_for(lambda: told() is not None, timeout=60)
    said = told() or {}
    if spec.get("schedulingGates"):
        assert (said["reason"], said["message"]) == (
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        )
        return
    rooms = placement.rooms(client.list(NODES).items)
    assert said["reason"] == "Unschedulable"
    assert said["message"].partition(" preemption:")[0] == placement.place(made, placement.needs(made), rooms)
