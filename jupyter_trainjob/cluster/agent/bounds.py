"""How much of the computer the control groups leave that this process is in: what a container or batch job may use.

Without this a node in a container of 4 GiB would promise its pods the 64 GiB of the computer below.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jupyter_trainjob.cluster.agent.cgroupfiles import places

_UNLIMITED = 1 << 60
"""Version 1 writes a number of this size where there is no limit."""


def memory(proc: Path = Path("/proc/self")) -> list[int]:
    """Return the limits of memory, in bytes, that hold for this process."""
    texts = (
        text for folder in _folders("memory", proc) for text in _read(folder, "memory.max", "memory.limit_in_bytes")
    )
    found = [int(text) for text in texts if text.isdigit()]
    return [limit for limit in found if 0 < limit < _UNLIMITED]


def cpus(proc: Path = Path("/proc/self")) -> list[float]:
    """Return the limits of processors that hold for this process."""
    found = []
    for folder in _folders("cpu", proc):
        for text in _read(folder, "cpu.max"):
            quota, _, period = text.partition(" ")
            found.append((quota, period))
        found += zip(_read(folder, "cpu.cfs_quota_us"), _read(folder, "cpu.cfs_period_us"), strict=False)
    return [int(quota) / int(period) for quota, period in found if quota.isdigit() and int(period or 0) > 0]


def _folders(controller: str, proc: Path) -> Iterator[Path]:
    """Yield our group and those above it, in which limits hold as well."""
    with contextlib.suppress(OSError):
        for place in places((proc / "cgroup").read_text(), (proc / "mountinfo").read_text())[controller]:
            folder = Path(place.folder)
            yield folder
            while place.version == 1 and (folder.parent / "cgroup.procs").exists():
                folder = folder.parent
                yield folder


def _read(folder: Path, *names: str) -> list[str]:
    found = []
    for name in names:
        with contextlib.suppress(OSError):
            found.append((folder / name).read_text().strip())
    return found
