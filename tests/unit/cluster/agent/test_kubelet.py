"""The status and the events of pods equal those that a real kubelet wrote for the same pods."""

from __future__ import annotations

import copy
import json

from jupyter_trainjob.api.resources import EVENTS, PODS
from jupyter_trainjob.constants import NODE_NAME

from . import kubelet
from .cluster import Cluster


def test_status_and_events_of_pods_equal_kubelets(cluster: Cluster) -> None:
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
    statuses = {name: kubelet.essence(cluster.get(name)) for name in kubelet.PODS}
    assert statuses == {name: one["status"] for name, one in recorded.items()}
    events = cluster.client.list(EVENTS, namespace="default").items
    event_kinds = {name: kubelet.event_kinds(events, name) for name in kubelet.PODS}
    assert event_kinds == {name: one["events"] for name, one in recorded.items()}
