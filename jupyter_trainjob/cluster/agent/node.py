"""The Node object of this computer: capacity, labels and heartbeat."""

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
from jupyter_trainjob.api.resources import NODES, KubeObject
from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.agent.limits import gpus, inherited_limits
from jupyter_trainjob.cluster.agent.limits.gpus import Gpu
from jupyter_trainjob.cluster.agent.network import HOST_IP
from jupyter_trainjob.cluster.agent.shim import processes
from jupyter_trainjob.constants import NODE_PODS, VERSION
from jupyter_trainjob.kube.client import Client

HEARTBEAT_SECONDS = 300.0
"""Interval at which kubelet reports an unchanged status (``nodeStatusReportFrequency``)."""

_log = logging.getLogger(__name__)


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    return len(cpu_numbers()) or os.cpu_count() or 1


def cpu_numbers() -> list[int]:
    """Return the numbers of the CPUs that this process may use; empty if the system has no CPU affinity."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return sorted(affinity(0)) if affinity else []


def node_capacity(devices: Sequence[Gpu] = ()) -> KubeObject:
    """Return the node's capacity: that of this computer, within the limits of this process's control groups."""
    memory = min([psutil.virtual_memory().total, *inherited_limits.memory_limits()]) // 1024
    count = min([float(cpu_count()), *inherited_limits.cpu_limits()])
    amounts = {"cpu": quantity.format_amount(Fraction(count).limit_denominator(1000)), "memory": f"{memory}Ki"}
    return {**amounts, "pods": str(NODE_PODS), **({gpus.RESOURCE: str(len(devices))} if devices else {})}


def node_labels(name: str, devices: Sequence[Gpu]) -> dict[str, str | None]:
    """Return the labels that the agent manages; None for those to remove. Other labels belong to users."""
    system, machine = platform.system().lower(), _MACHINES.get(platform.machine(), platform.machine())
    return {
        "kubernetes.io/hostname": name,
        **{f"{prefix}kubernetes.io/os": system for prefix in ("", "beta.")},
        **{f"{prefix}kubernetes.io/arch": machine for prefix in ("", "beta.")},
        **gpus.gpu_labels(devices),
    }


class NodeStatus:
    """Registers the Node and sends heartbeats."""

    def __init__(self, client: Client, name: str, devices: Sequence[Gpu] = ()) -> None:
        self._client = client
        self._name = name
        self._devices = devices
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Create or update the Node, and start heartbeats."""
        managed = node_labels(self._name, self._devices)
        new = {key: value for key, value in managed.items() if value is not None}
        try:
            self._client.create(NODES, {"metadata": {"name": self._name, "labels": new}, "spec": {}})
        except errors.AlreadyExists:
            self._client.patch(NODES, self._name, {"metadata": {"labels": managed}})
        self._write_status(ready=True)
        self._thread = threading.Thread(target=self._send_heartbeats, name="node-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop heartbeats and mark the node as not ready."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        try:
            self._write_status(ready=False)
        except errors.TrainJobError as error:
            _log.info("the node could not be marked as not ready: %s", error)

    def _send_heartbeats(self) -> None:
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._write_status(ready=True)
            except errors.TrainJobError as error:  # noqa: PERF203
                _log.warning("heartbeat: %s", error)

    def _write_status(self, *, ready: bool) -> None:
        stored = self._client.get(NODES, self._name)
        amounts = node_capacity(self._devices)
        status = {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._name},
            ],
            "conditions": _conditions(stored, ready=ready, stamp=timestamp()),
            "nodeInfo": {
                "architecture": _MACHINES.get(platform.machine(), platform.machine()),
                "operatingSystem": platform.system().lower(),
                "kernelVersion": platform.release(),
                "osImage": platform.platform(),
                "kubeletVersion": f"v{VERSION}",
                "containerRuntimeVersion": f"jupyter-trainjob://{VERSION}",
                "bootID": processes.boot_id(),
                "machineID": _machine_id(),
                "systemUUID": "",
                "kubeProxyVersion": "",
            },
        }
        self._client.patch(NODES, self._name, {"status": status}, subresource="status")


def _conditions(node: KubeObject, *, ready: bool, stamp: str) -> list[KubeObject]:
    """Return the node's conditions in kubelet's order; Unknown when the agent stops."""
    previous = {condition["type"]: condition for condition in (node.get("status") or {}).get("conditions") or ()}
    result = []
    for name, running_values in _RUNNING.items():
        status, reason, message = running_values if ready else _STOPPED
        last = previous.get(name, {})
        since = last.get("lastTransitionTime", stamp) if last.get("status") == status else stamp
        condition = {"type": name, "status": status, "reason": reason, "message": message}
        result.append({**condition, "lastHeartbeatTime": stamp, "lastTransitionTime": since})
    return result


def _machine_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    return ""


_RUNNING = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "pods are not evicted for memory"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "pods are not evicted for disk space"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "pods are not evicted for processes"),
    "Ready": ("True", "AgentReady", "the agent runs"),
}
_STOPPED = ("Unknown", "AgentStopped", "the agent was stopped; containers keep running")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
