"""Detect the GPUs of this computer and assign them to containers.

Devices are detected with NVML (NVIDIA's management library) through ctypes: CUDA must not be initialised, because warm
programs are forked. A container that requests ``nvidia.com/gpu`` gets devices until its pod is deleted, in
CUDA_VISIBLE_DEVICES; without a request it sees none. ``TRAINJOB_GPUS=N`` limits the node to the first N. Assignments
are stored in a file for the next agent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.worker.monitoring.nvml import NAME_BYTES, Memory, is_visible, iter_handles

RESOURCE: Final = "nvidia.com/gpu"
COUNT_ENV: Final = "TRAINJOB_GPUS"
VISIBLE_ENV: Final = "CUDA_VISIBLE_DEVICES"
LIBRARIES: Final = ("libnvidia-ml.so.1", "nvml.dll")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device; `index` is that of NVML and nvidia-smi, in PCI bus order."""

    index: int
    uuid: str
    name: str
    memory: int
    """Bytes."""


class DeviceSource(Protocol):
    """A source of devices."""

    def gpus(self) -> list[Gpu]:
        """Return all devices; empty without a driver."""


class NvmlLibrary:
    """The NVML library of the driver."""

    def __init__(self, names: Sequence[str] = LIBRARIES) -> None:
        """Load the first existing library of `names`."""
        self._names = names

    def gpus(self) -> list[Gpu]:
        """Return the devices; none if the driver fails."""
        for name in self._names:
            with contextlib.suppress(OSError, AttributeError):
                return _query_devices(ctypes.CDLL(name))
        return []


def _query_devices(nvml: ctypes.CDLL) -> list[Gpu]:
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        return [gpu for index, handle in iter_handles(nvml) if (gpu := _device(nvml, index, handle)) is not None]
    finally:
        nvml.nvmlShutdown()


def _device(nvml: ctypes.CDLL, index: int, handle: ctypes.c_void_p) -> Gpu | None:
    """Return a device; None if it is unusable, such as one that has fallen off the bus."""
    uuid, name, memory = ctypes.create_string_buffer(NAME_BYTES), ctypes.create_string_buffer(NAME_BYTES), Memory()
    if nvml.nvmlDeviceGetUUID(handle, uuid, NAME_BYTES) != 0 or nvml.nvmlDeviceGetName(handle, name, NAME_BYTES) != 0:
        return None
    # Devices with unified memory have no memory of their own.
    nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    return Gpu(index, uuid.value.decode(), name.value.decode(), int(memory.total))


def assignable_gpus(nvml: DeviceSource, environ: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Return the assignable devices: those visible to this process, at most ``TRAINJOB_GPUS``."""
    setting = environ.get(COUNT_ENV, "").strip()
    if setting == "0":
        return []
    devices = [gpu for gpu in nvml.gpus() if is_visible(gpu.index, gpu.uuid, environ.get(VISIBLE_ENV))]
    return devices[: int(setting)] if setting.isdigit() else devices


def requested_count(container: KubeObject) -> int:
    """Return how many devices a container requests."""
    resources = container.get("resources") or {}
    amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return int(quantity.parse_quantity(amounts.get(RESOURCE, 0)))


def gpu_labels(devices: Sequence[Gpu]) -> dict[str, str | None]:
    """Return the node's labels as GPU feature discovery sets them; None for labels to remove."""
    if not devices:
        return dict.fromkeys(("nvidia.com/gpu.present", "nvidia.com/gpu.count", *_MODEL_LABELS))
    first = devices[0]
    product = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in first.name)
    values = (product.strip("-_.")[:63], str(first.memory >> 20))
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(len(devices)),
        **dict(zip(_MODEL_LABELS, values, strict=True)),
    }


_MODEL_LABELS: Final = ("nvidia.com/gpu.product", "nvidia.com/gpu.memory")


class GpuSlots:
    """Assigned devices by container, stored in a file."""

    def __init__(self, path: Path, devices: Sequence[Gpu]) -> None:
        self.devices = list(devices)
        self._path = path
        self._lock = threading.Lock()
        self._assigned: dict[str, list[str]] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._assigned = json.loads(path.read_text())

    def env(self, pod: KubeObject, container: KubeObject) -> dict[str, str]:
        """Return the variables with a container's devices, which are assigned until its pod is deleted."""
        if not self.devices:
            return {}
        count = requested_count(container)
        if not count:
            return {VISIBLE_ENV: "", "NVIDIA_VISIBLE_DEVICES": "void"}
        uid = pod["metadata"]["uid"]
        init_keys = {f"{uid}/{init['name']}" for init in pod["spec"].get("initContainers") or ()}
        assigned = self._assign(f"{uid}/{container['name']}", count, init_keys)
        # CUDA orders devices by speed: its indexes equal NVML's only if all devices are of one model.
        same_model = len({gpu.name for gpu in self.devices}) == 1
        visible = ",".join(str(gpu.index) if same_model else gpu.uuid for gpu in assigned)
        return {VISIBLE_ENV: visible, "NVIDIA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in assigned)}

    def release_others(self, uids: Iterable[str]) -> None:
        """Release the devices of all pods except these."""
        with self._lock:
            pod_uids = set(uids)
            remaining = {key: value for key, value in self._assigned.items() if key.partition("/")[0] in pod_uids}
            if remaining != self._assigned:
                self._assigned = remaining
                self._save()

    def _assign(self, key: str, count: int, init_keys: set[str]) -> list[Gpu]:
        """Return the devices of `key`; devices of the init containers in `init_keys` can be reused."""
        with self._lock:
            if key not in self._assigned:
                in_use = {uuid for other, uuids in self._assigned.items() if other not in init_keys for uuid in uuids}
                free = [gpu.uuid for gpu in self.devices if gpu.uuid not in in_use]
                if len(free) < count:
                    message = f"{count} GPUs are requested, and {len(free)} of {len(self.devices)} are free"
                    raise StartRefused("UnexpectedAdmissionError", message)
                self._assigned[key] = free[:count]
                self._save()
            uuids = self._assigned[key]
        return [gpu for gpu in self.devices if gpu.uuid in uuids]

    def _save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._assigned))
        part.replace(self._path)
