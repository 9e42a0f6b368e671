"""What the processes of this pod use of the machine, and how much of it they can: read from the kernel.

A container of kubelet's, and a pod whose limits the embedded cluster enforces that way, has control groups of its own:
these have counted everything. Elsewhere the pod is a tree of processes, and they are asked one by one. On macOS only
this process can be asked, for the highest amount of memory that it ever had.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from .protocol import GROUP_PREFIX

KUBELET: Final = "KUBERNETES_SERVICE_HOST"
"""Variable that kubelet gives to every container."""
UNLIMITED: Final = 1 << 60
"""Version 1 writes a number beyond this where there is no limit."""
SHARED_LOOKS: Final = 30
"""After so many looks it is asked anew what processes share."""
MILLION: Final = 1_000_000


Number = TypeVar("Number", int, float)


class Amounts(NamedTuple):
    """What is used, and what can be used."""

    cpu: float
    """Seconds that processors have worked so far."""
    cpu_limit: float | None
    """Processors."""
    memory: int
    memory_limit: int | None


class Groups(NamedTuple):
    """Folders of the control groups that are this pod's alone, by what they know; empty where there is none."""

    v2: str = ""
    memory: str = ""
    cpu: str = ""
    cpuacct: str = ""


class Gauges:
    """Reads the amounts again and again."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._tree = Tree(first()) if sys.platform == "linux" else None

    def read(self) -> Amounts:
        """Return the amounts of this moment; OSError or ValueError where the kernel does not say."""
        groups = self._groups
        told: tuple[float | None, int | None]
        if groups.v2:
            told = _second_cpu(groups.v2), _second_memory(groups.v2)
        else:
            told = _first_cpu(groups.cpuacct), _first_memory(groups.memory)
        cpu, memory = told
        if cpu is None or memory is None:
            of_all = self._tree.read() if self._tree is not None else _myself()
            cpu = of_all[0] if cpu is None else cpu
            memory = of_all[1] if memory is None else memory
        return Amounts(cpu, _least(_processors(), _quota(groups)), memory, _least(_installed(), _ceiling(groups)))


def find(proc: str = "/proc/self", environ: Mapping[str, str] = os.environ) -> Groups:
    """Return the control groups of this process that hold nothing but this pod."""
    container = KUBELET in environ
    try:
        own, mounts = _text(f"{proc}/cgroup"), _text(f"{proc}/mountinfo")
    except OSError:
        return Groups()
    paths = {name: path for line in own.splitlines() for name, path in _memberships(line)}
    found: dict[str, str] = {}
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split()[:3]
        for name in [""] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []:
            if name in paths and (container or Path(paths[name]).name.startswith(GROUP_PREFIX)):
                # A container sees its own group as the mounted one's root, or by its path on the node.
                inside = os.path.relpath(paths[name], root) if paths[name].startswith(root) else "."
                found.setdefault(name or "v2", os.path.normpath(f"{point}/{inside}"))
    if not Path(found.get("v2", ""), "memory.current").exists():
        found.pop("v2", None)  # The whole machine's, or without the controllers.
    return Groups(**{name: folder for name, folder in found.items() if name in Groups._fields})


def _memberships(line: str) -> list[tuple[str, str]]:
    _, names, path = line.split(":", 2)
    return [(name, path) for name in names.split(",")]


def _second_cpu(folder: str) -> float | None:
    rows = _table(f"{folder}/cpu.stat")
    return rows["usage_usec"] / MILLION if "usage_usec" in rows else None


def _second_memory(folder: str) -> int:
    # Without what the kernel could drop at once, as ``kubectl top`` counts.
    return max(0, _number(folder, "memory.current") - _table(f"{folder}/memory.stat").get("inactive_file", 0))


def _first_cpu(folder: str) -> float | None:
    return _number(folder, "cpuacct.usage") / 1e9 if folder else None


def _first_memory(folder: str) -> int | None:
    if not folder:
        return None
    dropped = _table(f"{folder}/memory.stat").get("total_inactive_file", 0)
    return max(0, _number(folder, "memory.usage_in_bytes") - dropped)


def _quota(groups: Groups) -> float | None:
    if groups.v2:
        limit = Path(groups.v2, "cpu.max")
        words = _text(limit).split() if limit.exists() else ["max"]
        return None if words[0] == "max" else int(words[0]) / int(words[1])
    quota = _number(groups.cpu, "cpu.cfs_quota_us") if groups.cpu else -1
    return quota / _number(groups.cpu, "cpu.cfs_period_us") if quota > 0 else None


def _ceiling(groups: Groups) -> int | None:
    if groups.v2:
        word = _text(f"{groups.v2}/memory.max").strip()
        return None if word == "max" else int(word)
    limit = _number(groups.memory, "memory.limit_in_bytes") if groups.memory else UNLIMITED
    return limit if limit < UNLIMITED else None


def _processors() -> float | None:
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return None if count is None else float(count)


def _installed() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


class Tree:
    """A process and its descendants."""

    def __init__(self, pid: int) -> None:
        self._first = pid
        self._looks = 0
        self._shared: dict[int, int] = {}
        """How much of a process's memory others have to answer for."""

    def read(self) -> tuple[float, int]:
        """Return what they use: seconds of all that ever were, bytes of those that are."""
        pids = tree(self._first)
        # To tell what is shared the kernel walks through all pages, so it is asked now and then only.
        known = self._shared if self._looks % SHARED_LOOKS else {}
        self._looks += 1
        self._shared = {pid: known[pid] if pid in known else _resident(pid) - _proportional(pid) for pid in pids}
        ticks = sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid)))
        memory = sum(max(0, _resident(pid) - self._shared[pid]) for pid in pids)
        return ticks / os.sysconf("SC_CLK_TCK"), memory


def _myself() -> tuple[float, int]:
    import resource

    ended, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime, own.ru_maxrss


def first() -> int:
    """Return the first process of this pod: the nearest of our parents, or we ourselves, that a session's leader made.

    On the embedded cluster this leader is the pod's shim. A worker of torchrun leads a session itself; torchrun does
    not. In a container of kubelet's it is process 1 at the latest.
    """
    pid = os.getpid()
    while True:
        fields = _stat(pid)
        parent, session = (int(fields[1]), int(fields[3])) if fields else (0, 0)
        if parent in (0, session) or pid == 1:
            return pid
        pid = parent


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for each in found:  # It grows while it is walked: that is the walk.
        with suppress(OSError):  # It has ended meanwhile.
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, _text(thread / "children").split())
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process after its name, beginning with its state; empty if there is none."""
    try:
        return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return []


def _resident(pid: int) -> int:
    try:
        return int(_text(f"/proc/{pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Return the memory of a process, and of what it shares with others its share; 0 if it has ended."""
    try:
        rows = [line.split() for line in _text(f"/proc/{pid}/smaps_rollup").splitlines()]
    except OSError:
        return 0
    return sum(int(row[1]) for row in rows if row[0] == "Pss:") * 1024


def _least(machine: Number | None, limit: Number | None) -> Number | None:
    return min((each for each in (machine, limit) if each is not None), default=None)


def _table(path: str) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2}


def _number(folder: str, name: str) -> int:
    return int(_text(f"{folder}/{name}"))


def _text(path: Path | str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
