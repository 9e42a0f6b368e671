"""The GPUs of this computer, and which container has which.

Devices are found by NVML, NVIDIA's library of management, through ctypes: nothing here may initialise CUDA, since the
programs that start warm are forked. A container that asks for ``nvidia.com/gpu`` gets devices of its own until its pod
goes, and is told by CUDA_VISIBLE_DEVICES; one that asks for none sees none. ``TRAINJOB_GPUS=N`` hides all but the first
N. Slots are kept in a file, as port leases are, so that the next agent knows them.
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
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent.waiting import Refused
from jupyter_trainjob.worker.nvml import TEXT, Memory, handles, is_visible

RESOURCE: Final = "nvidia.com/gpu"
SETTING: Final = "TRAINJOB_GPUS"
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
LIBRARIES: Final = ("libnvidia-ml.so.1", "nvml.dll")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device; `index` counts as NVML and nvidia-smi do, by the bus."""

    index: int
    uuid: str
    name: str
    memory: int
    """Bytes."""


class Nvml(Protocol):
    """Who knows the devices."""

    def gpus(self) -> list[Gpu]:
        """Return all devices; empty where there is no driver."""


class Library:
    """NVML as the driver brings it."""

    def __init__(self, names: Sequence[str] = LIBRARIES) -> None:
        """Look for the library under one of `names`."""
        self._names = names

    def gpus(self) -> list[Gpu]:
        """Return the devices; a driver that fails has none."""
        for name in self._names:
            with contextlib.suppress(OSError, AttributeError):
                return _ask(ctypes.CDLL(name))
        return []


def _ask(nvml: ctypes.CDLL) -> list[Gpu]:
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        return [gpu for index, handle in handles(nvml) if (gpu := _device(nvml, index, handle)) is not None]
    finally:
        nvml.nvmlShutdown()


def _device(nvml: ctypes.CDLL, index: int, handle: ctypes.c_void_p) -> Gpu | None:
    """Return a device; None if it cannot be used, as one that has fallen off the bus."""
    uuid, name, memory = ctypes.create_string_buffer(TEXT), ctypes.create_string_buffer(TEXT), Memory()
    if nvml.nvmlDeviceGetUUID(handle, uuid, TEXT) != 0 or nvml.nvmlDeviceGetName(handle, name, TEXT) != 0:
        return None
    # Devices that share the computer's memory have none of their own.
    nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    return Gpu(index, uuid.value.decode(), name.value.decode(), int(memory.total))


def found(nvml: Nvml, environ: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Return the devices that may be given out: those that this process may use itself, at most as many as is set."""
    setting = environ.get(SETTING, "").strip()
    if setting == "0":
        return []
    devices = [gpu for gpu in nvml.gpus() if is_visible(gpu.index, gpu.uuid, environ.get(VISIBLE))]
    return devices[: int(setting)] if setting.isdigit() else devices


def asked(container: Object) -> int:
    """Return how many devices a container asks for."""
    resources = container.get("resources") or {}
    amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return int(quantity.parse(amounts.get(RESOURCE, 0)))


def labels(devices: Sequence[Gpu]) -> dict[str, str | None]:
    """Return the node's labels as NVIDIA's feature discovery writes them; None: the node must not have that one."""
    if not devices:
        return dict.fromkeys(("nvidia.com/gpu.present", "nvidia.com/gpu.count", *_OF_FIRST))
    first = devices[0]
    product = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in first.name)
    values = (product.strip("-_.")[:63], str(first.memory >> 20))
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(len(devices)),
        **dict(zip(_OF_FIRST, values, strict=True)),
    }


_OF_FIRST: Final = ("nvidia.com/gpu.product", "nvidia.com/gpu.memory")


class GpuSlots:
    """Devices by container, kept in a file."""

    def __init__(self, path: Path, devices: Sequence[Gpu]) -> None:
        self.devices = list(devices)
        self._path = path
        self._lock = threading.Lock()
        self._taken: dict[str, list[str]] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._taken = json.loads(path.read_text())

    def env(self, pod: Object, container: Object) -> dict[str, str]:
        """Return the variables by which a container finds its devices, the same ones until its pod goes."""
        if not self.devices:
            return {}
        count = asked(container)
        if not count:
            return {VISIBLE: "", "NVIDIA_VISIBLE_DEVICES": "void"}
        uid = pod["metadata"]["uid"]
        before = {f"{uid}/{each['name']}" for each in pod["spec"].get("initContainers") or ()}
        mine = self._take(f"{uid}/{container['name']}", count, before)
        # CUDA counts the fastest first: its numbers are NVML's only where all devices are alike.
        alike = len({gpu.name for gpu in self.devices}) == 1
        visible = ",".join(str(gpu.index) if alike else gpu.uuid for gpu in mine)
        return {VISIBLE: visible, "NVIDIA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in mine)}

    def keep(self, uids: Iterable[str]) -> None:
        """Take back the devices of all pods but these."""
        with self._lock:
            known = set(uids)
            left = {key: value for key, value in self._taken.items() if key.partition("/")[0] in known}
            if left != self._taken:
                self._taken = left
                self._save()

    def _take(self, key: str, count: int, before: set[str]) -> list[Gpu]:
        """Return the devices of `key`; those of the containers that came `before` it in its pod are free again."""
        with self._lock:
            if key not in self._taken:
                taken = {uuid for other, uuids in self._taken.items() if other not in before for uuid in uuids}
                free = [gpu.uuid for gpu in self.devices if gpu.uuid not in taken]
                if len(free) < count:
                    message = f"{count} GPUs were asked for, and {len(free)} of {len(self.devices)} are free"
                    raise Refused("UnexpectedAdmissionError", message)
                self._taken[key] = free[:count]
                self._save()
            uuids = self._taken[key]
        return [gpu for gpu in self.devices if gpu.uuid in uuids]

    def _save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._taken))
        part.replace(self._path)
