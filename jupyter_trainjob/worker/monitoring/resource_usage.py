"""Measure the resource usage and the limits of this pod's processes, from the kernel's files.

A container of the kubelet, and a pod whose limits the embedded cluster enforces by control groups, has control groups
of its own, whose counters are read. Any other pod is a tree of processes, whose counters are read one by one. On macOS
only this process is measured, with its peak memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from ..protocol import GROUP_PREFIX

KUBELET: Final = "KUBERNETES_SERVICE_HOST"
"""Environment variable that the kubelet sets in every container."""
UNLIMITED: Final = 1 << 60
"""Control groups of version 1 show a number beyond this if there is no limit."""
SHARED_SAMPLES: Final = 30
"""Samples after which the shared memory of processes is measured again."""
MILLION: Final = 1_000_000


Number = TypeVar("Number", int, float)


class ResourceUsage(NamedTuple):
    """What the pod's processes use, and their limits."""

    cpu: float
    """CPU seconds so far."""
    cpu_limit: float | None
    """CPUs."""
    memory: int
    memory_limit: int | None


class Cgroups(NamedTuple):
    """Folders of the pod's own control groups, one per hierarchy and controller; empty if there is none."""

    v2: str = ""
    memory: str = ""
    cpu: str = ""
    cpuacct: str = ""


class ResourceSampler:
    """Samples the resource usage of the pod."""

    def __init__(self, groups: Cgroups) -> None:
        self._groups = groups
        self._tree = ProcessTree(first_process()) if sys.platform == "linux" else None

    def read(self) -> ResourceUsage:
        """Return the current usage; raises OSError or ValueError if the kernel's files cannot be read."""
        groups = self._groups
        counters: tuple[float | None, int | None]
        if groups.v2:
            counters = _v2_cpu(groups.v2), _v2_memory(groups.v2)
        else:
            counters = _v1_cpu(groups.cpuacct), _v1_memory(groups.memory)
        cpu, memory = counters
        if cpu is None or memory is None:
            tree_usage = self._tree.read() if self._tree is not None else _own_usage()
            cpu = tree_usage[0] if cpu is None else cpu
            memory = tree_usage[1] if memory is None else memory
        return ResourceUsage(
            cpu,
            _smaller(_processors(), _cpu_limit(groups)),
            memory,
            _smaller(_installed_memory(), _memory_limit(groups)),
        )


def find_cgroups(proc: str = "/proc/self", environ: Mapping[str, str] = os.environ) -> Cgroups:
    """Return the control groups that contain nothing but this pod, for the process of folder `proc`."""
    container = KUBELET in environ
    try:
        own, mounts = _read_text(f"{proc}/cgroup"), _read_text(f"{proc}/mountinfo")
    except OSError:
        return Cgroups()
    paths = {name: path for line in own.splitlines() for name, path in _memberships(line)}
    folders: dict[str, str] = {}
    for line in mounts.splitlines():
        mount, _, filesystem = line.partition(" - ")
        root, point = mount.split()[3:5]
        kind, _, options = filesystem.split()[:3]
        for name in [""] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []:
            if name in paths and (container or Path(paths[name]).name.startswith(GROUP_PREFIX)):
                # In a container its own group is the root of the mount, or has its path on the node.
                relative = os.path.relpath(paths[name], root) if paths[name].startswith(root) else "."
                folders.setdefault(name or "v2", os.path.normpath(f"{point}/{relative}"))
    if not Path(folders.get("v2", ""), "memory.current").exists():
        folders.pop("v2", None)  # That of the whole machine, or one without the controllers.
    return Cgroups(**{name: folder for name, folder in folders.items() if name in Cgroups._fields})


def _memberships(line: str) -> list[tuple[str, str]]:
    _, names, path = line.split(":", 2)
    return [(name, path) for name in names.split(",")]


def _v2_cpu(folder: str) -> float | None:
    rows = _read_table(f"{folder}/cpu.stat")
    return rows["usage_usec"] / MILLION if "usage_usec" in rows else None


def _v2_memory(folder: str) -> int:
    # Without the inactive page cache, as in ``kubectl top`` (the kubelet's working set).
    return max(0, _read_number(folder, "memory.current") - _read_table(f"{folder}/memory.stat").get("inactive_file", 0))


def _v1_cpu(folder: str) -> float | None:
    return _read_number(folder, "cpuacct.usage") / 1e9 if folder else None


def _v1_memory(folder: str) -> int | None:
    if not folder:
        return None
    reclaimable = _read_table(f"{folder}/memory.stat").get("total_inactive_file", 0)
    return max(0, _read_number(folder, "memory.usage_in_bytes") - reclaimable)


def _cpu_limit(groups: Cgroups) -> float | None:
    if groups.v2:
        limit = Path(groups.v2, "cpu.max")
        words = _read_text(limit).split() if limit.exists() else ["max"]
        return None if words[0] == "max" else int(words[0]) / int(words[1])
    quota = _read_number(groups.cpu, "cpu.cfs_quota_us") if groups.cpu else -1
    return quota / _read_number(groups.cpu, "cpu.cfs_period_us") if quota > 0 else None


def _memory_limit(groups: Cgroups) -> int | None:
    if groups.v2:
        word = _read_text(f"{groups.v2}/memory.max").strip()
        return None if word == "max" else int(word)
    limit = _read_number(groups.memory, "memory.limit_in_bytes") if groups.memory else UNLIMITED
    return limit if limit < UNLIMITED else None


def _processors() -> float | None:
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return None if count is None else float(count)


def _installed_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


class ProcessTree:
    """A process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._first = pid
        self._samples = 0
        self._shared: dict[int, int] = {}
        """Bytes of each process's memory that are attributed to other processes."""

    def read(self) -> tuple[float, int]:
        """Return CPU seconds of all processes so far, ended ones included, and bytes of the running ones."""
        pids = process_tree(self._first)
        # The kernel walks through all pages to find shared ones, so this is measured in some samples only.
        shared = self._shared if self._samples % SHARED_SAMPLES else {}
        self._samples += 1
        self._shared = {pid: shared[pid] if pid in shared else _resident(pid) - _proportional(pid) for pid in pids}
        ticks = sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid)))
        memory = sum(max(0, _resident(pid) - self._shared[pid]) for pid in pids)
        return ticks / os.sysconf("SC_CLK_TCK"), memory


def _own_usage() -> tuple[float, int]:
    import resource

    ended, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime, own.ru_maxrss


def first_process() -> int:
    """Return the pid of the pod's first process: the nearest ancestor, or this process, whose parent leads its session.

    On the embedded cluster the session's leader is the pod's shim. A worker of torchrun leads a session itself,
    torchrun does not. In a container of the kubelet the result is process 1 at the latest.
    """
    pid = os.getpid()
    while True:
        fields = _stat(pid)
        parent, session = (int(fields[1]), int(fields[3])) if fields else (0, 0)
        if parent in (0, session) or pid == 1:
            return pid
        pid = parent


def process_tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    pids = [pid]
    for descendant in pids:  # The list grows during the iteration.
        with suppress(OSError):  # The process has ended.
            for thread in Path(f"/proc/{descendant}/task").iterdir():
                pids += map(int, _read_text(thread / "children").split())
    return pids


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on; empty if there is no such process."""
    try:
        return _read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> int:
    try:
        return int(_read_text(f"/proc/{pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 if it has ended."""
    try:
        rows = [line.split() for line in _read_text(f"/proc/{pid}/smaps_rollup").splitlines()]
    except OSError:
        return 0
    return sum(int(row[1]) for row in rows if row[0] == "Pss:") * 1024


def _smaller(machine: Number | None, limit: Number | None) -> Number | None:
    return min((amount for amount in (machine, limit) if amount is not None), default=None)


def _read_table(path: str) -> dict[str, int]:
    rows = (line.split() for line in _read_text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def _read_number(folder: str, name: str) -> int:
    return int(_read_text(f"{folder}/{name}"))


def _read_text(path: Path | str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
