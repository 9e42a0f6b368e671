"""The status and the events of pods, held to what a real kubelet wrote of the same ones."""

from __future__ import annotations

import copy
import json

from jupyter_trainjob.api.resources import EVENTS, PODS
from jupyter_trainjob.constants import NODE_NAME

from . import kubelet
from .cluster import Cluster


def test_pods_end_as_they_do_under_kubelet(cluster: Cluster) -> None:
    recorded = json.loads(kubelet.RECORD.read_text())
    assert recorded.keys() == kubelet.PODS.keys()
    cluster.agent()
    for name, spec in kubelet.PODS.items():
        pod = {"metadata": {"name": name}, "spec": {**copy.deepcopy(spec), "nodeName": NODE_NAME}}
        for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            one["workingDir"] = "/"
        cluster.client.create(PODS, pod, namespace="default")
    for name in kubelet.PODS:
        cluster.until("Succeeded", "Failed", name=name)
    seen = {name: kubelet.essence(cluster.get(name)) for name in kubelet.PODS}
    assert seen == {name: one["status"] for name, one in recorded.items()}
    events = cluster.client.list(EVENTS, namespace="default").items
    heard = {name: kubelet.told(events, name) for name in kubelet.PODS}
    assert heard == {name: one["events"] for name, one in recorded.items()}
