"""How busy this pod's GPUs are, by NVML, NVIDIA's library of management, through ctypes: CUDA is never touched.

What CUDA_VISIBLE_DEVICES leaves counts, as the pod was given it. Where there is no driver there are no GPUs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

LIBRARY: Final = "libnvidia-ml.so.1"
TEXT: Final = 96
"""Bytes that every name and number of a device fits in."""


class Gpu(NamedTuple):
    """One device at one moment. Memory in bytes."""

    name: str
    busy: float | None
    """Share of the time in which it computed; None where it does not say, as a slice of one."""
    memory: int
    memory_total: int


class Nvml:
    """The devices of this pod, looked for once."""

    def __init__(self, visible: str | None, library: str = LIBRARY) -> None:
        """Find them; `visible` is what CUDA_VISIBLE_DEVICES says, None if nothing."""
        self._devices: list[tuple[Any, str]] = []
        if visible == "":
            return
        try:
            self._nvml: Any = ctypes.CDLL(library)
            if self._nvml.nvmlInit_v2() == 0:
                self._devices = self._find(visible)
        except (OSError, AttributeError):
            return  # No driver, or one from before all this.

    def read(self) -> list[Gpu]:
        """Return the devices as they are now; those that do not answer are left out."""
        found = []
        for handle, name in self._devices:
            memory, rates = Memory(), _Rates()
            if self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
                continue
            told = self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates)) == 0
            found.append(Gpu(name, rates.gpu / 100 if told else None, int(memory.used), int(memory.total)))
        return found

    def _find(self, visible: str | None) -> list[tuple[Any, str]]:
        found = []
        for index, handle in handles(self._nvml):
            name, uuid = ctypes.create_string_buffer(TEXT), ctypes.create_string_buffer(TEXT)
            self._nvml.nvmlDeviceGetName(handle, name, TEXT)
            self._nvml.nvmlDeviceGetUUID(handle, uuid, TEXT)
            if is_visible(index, uuid.value.decode(errors="replace"), visible):
                found.append((handle, name.value.decode(errors="replace")))
        return found


def handles(nvml: Any) -> Iterator[tuple[int, ctypes.c_void_p]]:
    """Yield the index and the handle of every device that answers, of a library that was initialised."""
    count = ctypes.c_uint()
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return
    for index in range(count.value):
        handle = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
            yield index, handle


def is_visible(index: int, uuid: str, visible: str | None) -> bool:
    """Return whether CUDA_VISIBLE_DEVICES leaves a device; a batch system gives its jobs their share that way."""
    words = [word.strip() for word in (visible or "").split(",")]
    return visible is None or any(w == str(index) or (w.startswith("GPU-") and uuid.startswith(w)) for w in words)


class Memory(ctypes.Structure):
    """What ``nvmlDeviceGetMemoryInfo`` fills in; bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))
