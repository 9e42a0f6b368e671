"""What a node has for its containers beside files and names: processors, GPUs, claims, and who enforces limits.

Made by the agent, used by `prepare` for each container. How limits are enforced is found out when the first container
asks for one: a start that asks for none does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import gpus, limits, node
from jupyter_trainjob.cluster.agent.gpus import Gpu, GpuSlots
from jupyter_trainjob.cluster.agent.limits import Enforcement
from jupyter_trainjob.cluster.agent.run import Run


class Means:
    """The means of one node."""

    def __init__(
        self, root: Path, *, claims: Path, devices: Sequence[Gpu], enforcement: Enforcement | None = None
    ) -> None:
        """Take the agent's folder `root` and the folder of `claims`; `enforcement` overrides what is found."""
        self.claims = claims
        self.gpus = GpuSlots(root / "gpus.json", devices)
        self.allocatable: Mapping[str, Any] = node.capacity(devices)
        self._root = root
        self._processors = node.processors()
        self._lock = threading.Lock()
        self._enforcement = enforcement

    def env(self, pod: Object, container: Object) -> dict[str, str]:
        """Return the variables by which a container finds what is its own."""
        return self.gpus.env(pod, container)

    def limits(self, pod: Object, container: Object, run: Run) -> Object | None:
        """Return what the shim of a run has to enforce; None: nothing."""
        if not set((container.get("resources") or {}).get("limits") or ()) & {"cpu", "memory"}:
            return None
        name = limits.group_name(self._root, str(pod["metadata"]["uid"]), run.container, run.attempt)
        return limits.plan(pod, container, self.enforcement(), name=name, cpus=self._processors)

    def enforcement(self) -> Enforcement:
        """Return how limits are enforced here."""
        with self._lock:
            if self._enforcement is None:
                self._enforcement = limits.probe()
            return self._enforcement


def devices() -> list[Gpu]:
    """Return the GPUs that this node may give out."""
    return gpus.found(gpus.Library())
