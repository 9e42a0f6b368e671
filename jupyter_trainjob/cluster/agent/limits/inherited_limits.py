"""The limits of this process's own control groups, which also apply to its containers.

Without them a node in a container of 4 GiB would offer its pods the 64 GiB of the host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jupyter_trainjob.cluster.agent.limits.cgroup_files import candidate_folders

_UNLIMITED = 1 << 60
"""Version 1 reports at least this number of bytes if there is no limit."""


def memory_limits(proc: Path = Path("/proc/self")) -> list[int]:
    """Return the memory limits of this process, in bytes."""
    texts = (
        text for folder in _folders("memory", proc) for text in _read(folder, "memory.max", "memory.limit_in_bytes")
    )
    limits = [int(text) for text in texts if text.isdigit()]
    return [limit for limit in limits if 0 < limit < _UNLIMITED]


def cpu_limits(proc: Path = Path("/proc/self")) -> list[float]:
    """Return the CPU limits of this process, in CPUs."""
    quotas = []
    for folder in _folders("cpu", proc):
        for text in _read(folder, "cpu.max"):
            quota, _, period = text.partition(" ")
            quotas.append((quota, period))
        quotas += zip(_read(folder, "cpu.cfs_quota_us"), _read(folder, "cpu.cfs_period_us"), strict=False)
    return [int(quota) / int(period) for quota, period in quotas if quota.isdigit() and int(period or 0) > 0]


def _folders(controller: str, proc: Path) -> Iterator[Path]:
    """Yield the folders of this process's group and of its ancestors, whose limits apply too."""
    with contextlib.suppress(OSError):
        for candidate in candidate_folders((proc / "cgroup").read_text(), (proc / "mountinfo").read_text())[controller]:
            folder = Path(candidate.folder)
            yield folder
            while candidate.version == 1 and (folder.parent / "cgroup.procs").exists():
                folder = folder.parent
                yield folder


def _read(folder: Path, *names: str) -> list[str]:
    contents = []
    for name in names:
        with contextlib.suppress(OSError):
            contents.append((folder / name).read_text().strip())
    return contents
