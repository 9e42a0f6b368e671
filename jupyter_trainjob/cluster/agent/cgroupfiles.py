"""How the two versions of control groups write limits down, and where a process may make groups of its own.

Pure functions over the kernel's texts (``/proc/self/cgroup``, ``/proc/self/mountinfo``) for `limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Texts = dict[str, str]
CONTROLLERS: Final = ("memory", "cpu")


@dataclass(frozen=True, slots=True)
class Place:
    """A control group, and the version of its files."""

    version: int
    folder: str


def places(groups: str, mounts: str) -> dict[str, list[Place]]:
    """Return, for each controller, the groups that this process might make others in, the nearest first.

    Version 1 has a hierarchy for each controller, and ours are made in our own group. In version 2 a group that holds
    processes gives its children no controllers, so that those above it come into question, too.
    """
    own = _own_groups(groups)
    found: dict[str, list[Place]] = {name: [] for name in CONTROLLERS}
    for root, point, kind, options in _mounts(mounts):
        if kind == "cgroup":
            for name in CONTROLLERS:
                if name in options and name in own:
                    found[name].append(Place(1, _below(point, root, own[name])))
        elif kind == "cgroup2" and "" in own:
            folder = _below(point, root, own[""])
            above = [Place(2, folder)]
            while folder != point:
                folder = folder.rpartition("/")[0]
                above.append(Place(2, folder))
            for name in CONTROLLERS:
                found[name] += above
    return found


def first(*, memory: int, cpu: int, period: int) -> tuple[Texts, Texts]:
    """Return what is written into a group of version 1: what must be, and what would be good."""
    files: Texts = {}
    wishes: Texts = {}
    if memory:
        files["memory.limit_in_bytes"] = str(memory)
        wishes["memory.memsw.limit_in_bytes"] = str(memory)
    if cpu:
        files |= {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(cpu)}
    return files, wishes


def second(*, memory: int, cpu: int, period: int) -> tuple[Texts, Texts]:
    """Return what is written into a group of version 2: what must be, and what would be good."""
    files: Texts = {}
    wishes: Texts = {}
    if memory:
        files["memory.max"] = str(memory)
        wishes |= {"memory.swap.max": "0", "memory.oom.group": "1"}
    if cpu:
        files["cpu.max"] = f"{cpu} {period}"
    return files, wishes


FILES: Final[dict[int, Callable[..., tuple[Texts, Texts]]]] = {1: first, 2: second}


def _own_groups(text: str) -> dict[str, str]:
    """Return the path of our group by controller; version 2's controller has no name."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = path
    return found


def _mounts(text: str) -> list[tuple[str, str, str, list[str]]]:
    """Return root, mount point, kind and options of each file system of control groups."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, rest = before.split(), after.split()
        if len(rest) > 2 and rest[0] in ("cgroup", "cgroup2"):
            found.append((words[3], words[4], rest[0], rest[2].split(",")))
    return found


def _below(point: str, root: str, path: str) -> str:
    """Return where a group lies, seen through a mount that shows what is below `root`."""
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return f"{point}{path}".rstrip("/")
