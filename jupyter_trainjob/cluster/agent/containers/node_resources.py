"""The CPUs, GPUs, claims and limits of the node, as containers get them.

Created by the agent, used by `preparation` for each container. The enforcement of limits is detected when the first
container has one, so that other starts do not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent import node
from jupyter_trainjob.cluster.agent.containers.container_run import Run
from jupyter_trainjob.cluster.agent.limits import container_limits, gpus
from jupyter_trainjob.cluster.agent.limits.container_limits import Enforcement
from jupyter_trainjob.cluster.agent.limits.gpus import Gpu, GpuSlots


class NodeResources:
    """The resources of the node."""

    def __init__(
        self, root: Path, *, claims: Path, devices: Sequence[Gpu], enforcement: Enforcement | None = None
    ) -> None:
        """`root` is the agent's folder, `claims` the folder of claims; `enforcement` overrides detection."""
        self.claims = claims
        self.gpus = GpuSlots(root / "gpus.json", devices)
        self.allocatable: Mapping[str, Any] = node.node_capacity(devices)
        self._root = root
        self._processors = node.cpu_numbers()
        self._lock = threading.Lock()
        self._enforcement = enforcement

    def env(self, pod: KubeObject, container: KubeObject) -> dict[str, str]:
        """Return the variables with the devices of a container."""
        return self.gpus.env(pod, container)

    def limits(self, pod: KubeObject, container: KubeObject, run: Run) -> KubeObject | None:
        """Return the limits for the shim of a run, None if there are none."""
        if not set((container.get("resources") or {}).get("limits") or ()) & {"cpu", "memory"}:
            return None
        name = container_limits.group_name(self._root, str(pod["metadata"]["uid"]), run.container, run.attempt)
        return container_limits.plan(pod, container, self.enforcement(), name=name, cpus=self._processors)

    def enforcement(self) -> Enforcement:
        """Return how limits are enforced on this node."""
        with self._lock:
            if self._enforcement is None:
                self._enforcement = container_limits.probe()
            return self._enforcement


def detect_gpus() -> list[Gpu]:
    """Return the GPUs that this node can assign."""
    return gpus.assignable_gpus(gpus.NvmlLibrary())
