"""This computer as a Node: what the scheduler may give it, and a sign of life."""

from __future__ import annotations

import logging
import os
import platform
import threading

import psutil

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import NODES, Object
from jupyter_trainjob.cluster.agent.network import HOST_IP
from jupyter_trainjob.cluster.agent.status import now
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.kube.client import Client

HEARTBEAT_SECONDS = 300.0
"""As often as kubelet reports a status that has not changed."""
PODS = 110

_log = logging.getLogger(__name__)


def cpus() -> int:
    """Return how many CPUs this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def capacity() -> Object:
    """Return what this computer has."""
    memory = psutil.virtual_memory().total // 1024
    return {"cpu": str(cpus()), "memory": f"{memory}Ki", "pods": str(PODS)}


class NodeStatus:
    """Registers the Node and renews its sign of life."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Create or renew the Node, and keep it alive."""
        labels = {
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": _MACHINES.get(platform.machine(), platform.machine()),
        }
        try:
            self._client.create(NODES, {"metadata": {"name": self._name, "labels": labels}, "spec": {}})
        except errors.AlreadyExists:
            self._client.patch(NODES, self._name, {"metadata": {"labels": labels}})
        self._write(ready=True)
        self._thread = threading.Thread(target=self._beat, name="node-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that nobody looks after this node any more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        try:
            self._write(ready=False)
        except errors.TrainJobError as error:
            _log.info("the node could not be marked as not ready: %s", error)

    def _beat(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._write(ready=True)
            except errors.TrainJobError as error:  # noqa: PERF203
                _log.warning("heartbeat: %s", error)

    def _write(self, *, ready: bool) -> None:
        stored = self._client.get(NODES, self._name)
        before = {one["type"]: one for one in (stored.get("status") or {}).get("conditions") or ()}
        wanted = "True" if ready else "Unknown"
        same = before.get("Ready", {})
        stamp = now()
        condition = {
            "type": "Ready",
            "status": wanted,
            "reason": "AgentReady" if ready else "AgentStopped",
            "message": "the agent runs" if ready else "the agent was stopped; programs go on",
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": same.get("lastTransitionTime", stamp) if same.get("status") == wanted else stamp,
        }
        status = {
            "capacity": capacity(),
            "allocatable": capacity(),
            "addresses": [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._name},
            ],
            "conditions": [condition],
            "nodeInfo": {
                "architecture": _MACHINES.get(platform.machine(), platform.machine()),
                "operatingSystem": platform.system().lower(),
                "kernelVersion": platform.release(),
                "osImage": platform.platform(),
                "kubeletVersion": f"v{VERSION}",
                "containerRuntimeVersion": f"jupyter-trainjob://{VERSION}",
                "bootID": "",
                "machineID": "",
                "systemUUID": "",
                "kubeProxyVersion": "",
            },
        }
        self._client.patch(NODES, self._name, {"status": status}, subresource="status")


_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
