"""This computer as a Node: what the scheduler may give it, and a sign of life."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import psutil

from jupyter_trainjob import errors
from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import NODES, Object
from jupyter_trainjob.cluster.agent import bounds, gpus, processes
from jupyter_trainjob.cluster.agent.gpus import Gpu
from jupyter_trainjob.cluster.agent.network import HOST_IP
from jupyter_trainjob.cluster.agent.status import now
from jupyter_trainjob.constants import VERSION
from jupyter_trainjob.kube.client import Client

HEARTBEAT_SECONDS = 300.0
"""As often as kubelet reports a status that has not changed."""
PODS = 250

_log = logging.getLogger(__name__)


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(processors()) or os.cpu_count() or 1


def processors() -> list[int]:
    """Return the numbers of the CPUs that this process may use; empty where a system does not tell."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return sorted(affinity(0)) if affinity else []


def capacity(devices: Sequence[Gpu] = ()) -> Object:
    """Return what this computer has, or as much of it as the container has in which this runs."""
    memory = min([psutil.virtual_memory().total, *bounds.memory()]) // 1024
    count = min([float(cpus()), *bounds.cpus()])
    amounts = {"cpu": quantity.canonical(Fraction(count).limit_denominator(1000)), "memory": f"{memory}Ki"}
    return {**amounts, "pods": str(PODS), **({gpus.RESOURCE: str(len(devices))} if devices else {})}


def labels(name: str, devices: Sequence[Gpu]) -> dict[str, str | None]:
    """Return the labels of the node; None: it must not have that one. All others are the users'."""
    system, machine = platform.system().lower(), _MACHINES.get(platform.machine(), platform.machine())
    return {
        "kubernetes.io/hostname": name,
        **{f"{prefix}kubernetes.io/os": system for prefix in ("", "beta.")},
        **{f"{prefix}kubernetes.io/arch": machine for prefix in ("", "beta.")},
        **gpus.labels(devices),
    }


class NodeStatus:
    """Registers the Node and renews its sign of life."""

    def __init__(self, client: Client, name: str, devices: Sequence[Gpu] = ()) -> None:
        self._client = client
        self._name = name
        self._devices = devices
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Create or renew the Node, and keep it alive."""
        wanted = labels(self._name, self._devices)
        new = {key: value for key, value in wanted.items() if value is not None}
        try:
            self._client.create(NODES, {"metadata": {"name": self._name, "labels": new}, "spec": {}})
        except errors.AlreadyExists:
            self._client.patch(NODES, self._name, {"metadata": {"labels": wanted}})
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
        amounts = capacity(self._devices)
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._name},
            ],
            "conditions": _conditions(stored, ready=ready, stamp=now()),
            "nodeInfo": {
                "architecture": _MACHINES.get(platform.machine(), platform.machine()),
                "operatingSystem": platform.system().lower(),
                "kernelVersion": platform.release(),
                "osImage": platform.platform(),
                "kubeletVersion": f"v{VERSION}",
                "containerRuntimeVersion": f"jupyter-trainjob://{VERSION}",
                "bootID": processes.boot(),
                "machineID": _machine_id(),
                "systemUUID": "",
                "kubeProxyVersion": "",
            },
        }
        self._client.patch(NODES, self._name, {"status": status}, subresource="status")


def _conditions(node: Object, *, ready: bool, stamp: str) -> list[Object]:
    """Return the node's conditions as kubelet orders them; what nobody looks at any more is unknown."""
    before = {one["type"]: one for one in (node.get("status") or {}).get("conditions") or ()}
    found = []
    for name, sound in _SOUND.items():
        wanted, reason, message = sound if ready else _STOPPED
        same = before.get(name, {})
        since = same.get("lastTransitionTime", stamp) if same.get("status") == wanted else stamp
        about = {"type": name, "status": wanted, "reason": reason, "message": message}
        found.append({**about, "lastHeartbeatTime": stamp, "lastTransitionTime": since})
    return found


def _machine_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    return ""


_SOUND = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "no pod is ever evicted for memory"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "no pod is ever evicted for space on disk"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "no pod is ever evicted for processes"),
    "Ready": ("True", "AgentReady", "the agent runs"),
}
_STOPPED = ("Unknown", "AgentStopped", "the agent was stopped; programs go on")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
