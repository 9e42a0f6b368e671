"""Choosing a node for a pod, and the message if none fits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.scheduler import placement


def node(name: str = "n", **more: Any) -> KubeObject:
    spec = {"unschedulable": True} if more.pop("cordoned", False) else {}
    ready = more.pop("ready", "True")
    labels = more.pop("labels", {})
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "10", **more}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}


def pod(*, selector: dict[str, str] | None = None, **requests: str) -> KubeObject:
    container = {
        "name": "main",
        "resources": {"requests": {key.replace("gpu", "nvidia.com/gpu"): value for key, value in requests.items()}},
    }
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], "nodeSelector": selector or {}}}


def placed(pod_: KubeObject, nodes: list[KubeObject], *, taken: list[tuple[str, KubeObject]] | None = None) -> str:
    used = [(name, quantity.parse_amounts(amounts)) for name, amounts in taken or []]
    node_ = placement.choose_node(pod_, placement.pod_requests(pod_), placement.node_infos(nodes, used))
    return node_ if isinstance(node_, str) else f"on {node_.name}"


@pytest.mark.parametrize(
    ("pod_", "nodes", "answer"),
    [
        pytest.param(pod(), [node()], "on n", id="a pod that asks for nothing fits"),
        pytest.param(pod(cpu="4"), [node()], "on n", id="a pod that asks for all fits"),
        pytest.param(
            pod(cpu="4100m"),
            [node()],
            "0/1 nodes are available: 1 Insufficient cpu.",
            id="a pod that asks for more processors waits",
        ),
        pytest.param(
            pod(gpu="1"),
            [node()],
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
            id="a resource that the node lacks",
        ),
        pytest.param(
            pod(cpu="9", memory="9Gi"),
            [node("a"), node("b", memory="16Gi")],
            "0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu.",
            id="each reason is counted over the nodes",
        ),
        pytest.param(
            pod(),
            [node(pods="0")],
            "0/1 nodes are available: 1 Too many pods.",
            id="a node runs a limited number of pods",
        ),
        pytest.param(
            pod(),
            [node(cordoned=True), node("m", ready="Unknown")],
            "0/2 nodes are available: 1 node(s) were not ready, 1 node(s) were unschedulable.",
            id="cordoned and unready nodes",
        ),
        pytest.param(
            pod(selector={"disk": "ssd"}),
            [node(labels={"disk": "hdd"})],
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            id="a selector chooses nodes by label",
        ),
        pytest.param(
            pod(selector={"disk": "ssd"}),
            [node("a"), node("b", labels={"disk": "ssd"})],
            "on b",
            id="a selector matches one node",
        ),
        pytest.param(pod(cpu="1"), [node("a"), node("b", cpu="8")], "on b", id="the node with the most free CPU"),
        pytest.param(pod(), [], "no nodes available to schedule pods", id="without nodes nothing fits"),
    ],
)
def test_choose_node(pod_: KubeObject, nodes: list[KubeObject], answer: str) -> None:
    assert placed(pod_, nodes) == answer


def test_resources_of_bound_pods_are_not_free() -> None:
    taken = [("n", {"cpu": "2"}), ("n", {"cpu": "1500m"}), ("elsewhere", {"cpu": "64"})]
    assert placed(pod(cpu="500m"), [node()], taken=taken) == "on n"
    assert placed(pod(cpu="501m"), [node()], taken=taken) == "0/1 nodes are available: 1 Insufficient cpu."


def test_pod_requests_include_the_pod_itself() -> None:
    assert placement.pod_requests(pod(cpu="2")) == {"cpu": Fraction(2), "pods": Fraction(1)}
