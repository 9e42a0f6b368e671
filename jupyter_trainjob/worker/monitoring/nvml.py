"""Measure this pod's GPUs by NVML through ctypes, without touching CUDA.

Only devices in the pod's CUDA_VISIBLE_DEVICES count. Without a driver there are no GPUs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

LIBRARY: Final = "libnvidia-ml.so.1"
NAME_BYTES: Final = 96
"""Size of the buffers for names and UUIDs of devices."""


class Gpu(NamedTuple):
    """One device at one moment. Memory in bytes."""

    name: str
    busy: float | None
    """Share of the time in which it computed, 0 to 1; None if the device does not report it, as MIG instances."""
    memory: int
    memory_total: int


class Nvml:
    """The devices of this pod, found once."""

    def __init__(self, visible: str | None, library: str = LIBRARY) -> None:
        """Find the devices; `visible` is the value of CUDA_VISIBLE_DEVICES, None if it is not set."""
        self._devices: list[tuple[Any, str]] = []
        if visible == "":
            return
        try:
            self._nvml: Any = ctypes.CDLL(library)
            if self._nvml.nvmlInit_v2() == 0:
                self._devices = self._find_devices(visible)
        except (OSError, AttributeError):
            return  # No driver, or one without these functions.

    def read(self) -> list[Gpu]:
        """Return the current state of the devices, without those whose query fails."""
        gpus = []
        for handle, name in self._devices:
            memory, rates = Memory(), _Rates()
            if self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
                continue
            has_rates = self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates)) == 0
            gpus.append(Gpu(name, rates.gpu / 100 if has_rates else None, int(memory.used), int(memory.total)))
        return gpus

    def _find_devices(self, visible: str | None) -> list[tuple[Any, str]]:
        devices = []
        for index, handle in iter_handles(self._nvml):
            name, uuid = ctypes.create_string_buffer(NAME_BYTES), ctypes.create_string_buffer(NAME_BYTES)
            self._nvml.nvmlDeviceGetName(handle, name, NAME_BYTES)
            self._nvml.nvmlDeviceGetUUID(handle, uuid, NAME_BYTES)
            if is_visible(index, uuid.value.decode(errors="replace"), visible):
                devices.append((handle, name.value.decode(errors="replace")))
        return devices


def iter_handles(nvml: Any) -> Iterator[tuple[int, ctypes.c_void_p]]:
    """Yield index and handle of each accessible device of `nvml`, the initialised library."""
    count = ctypes.c_uint()
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return
    for index in range(count.value):
        handle = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
            yield index, handle


def is_visible(index: int, uuid: str, visible: str | None) -> bool:
    """Return whether the CUDA_VISIBLE_DEVICES in `visible` includes a device; None includes all.

    >>> [is_visible(index, "GPU-8f1c", "1, GPU-77") for index in range(3)]
    [False, True, False]
    """
    words = [word.strip() for word in (visible or "").split(",")]
    return visible is None or any(w == str(index) or (w.startswith("GPU-") and uuid.startswith(w)) for w in words)


class Memory(ctypes.Structure):
    """``nvmlMemory_t``; bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))
