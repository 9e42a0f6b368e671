"""The file formats of control groups, versions 1 and 2, and where this process may create groups.

Pure functions over the contents of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``, for `container_limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Texts = dict[str, str]
CONTROLLERS: Final = ("memory", "cpu")


@dataclass(frozen=True, slots=True)
class GroupFolder:
    """The folder of a control group, and its version."""

    version: int
    folder: str


def candidate_folders(groups: str, mounts: str) -> dict[str, list[GroupFolder]]:
    """Return for each controller the groups in which this process may be able to create groups, the nearest first.

    Version 1 has a hierarchy for each controller; groups are created in this process's own group. In version 2 a group
    with processes cannot have children with controllers, so its ancestors are candidates too.
    """
    own = _own_groups(groups)
    candidates: dict[str, list[GroupFolder]] = {name: [] for name in CONTROLLERS}
    for root, point, kind, options in _mounts(mounts):
        if kind == "cgroup":
            for name in CONTROLLERS:
                if name in options and name in own:
                    candidates[name].append(GroupFolder(1, _path_below_mount(point, root, own[name])))
        elif kind == "cgroup2" and "" in own:
            folder = _path_below_mount(point, root, own[""])
            ancestors = [GroupFolder(2, folder)]
            while folder != point:
                folder = folder.rpartition("/")[0]
                ancestors.append(GroupFolder(2, folder))
            for name in CONTROLLERS:
                candidates[name] += ancestors
    return candidates


def version_1_files(*, memory: int, cpu: int, period: int) -> tuple[Texts, Texts]:
    """Return the required and the optional files of a group of version 1, by name."""
    files: Texts = {}
    optional_files: Texts = {}
    if memory:
        files["memory.limit_in_bytes"] = str(memory)
        optional_files["memory.memsw.limit_in_bytes"] = str(memory)
    if cpu:
        files |= {"cpu.cfs_period_us": str(period), "cpu.cfs_quota_us": str(cpu)}
    return files, optional_files


def version_2_files(*, memory: int, cpu: int, period: int) -> tuple[Texts, Texts]:
    """Return the required and the optional files of a group of version 2, by name."""
    files: Texts = {}
    optional_files: Texts = {}
    if memory:
        files["memory.max"] = str(memory)
        optional_files |= {"memory.swap.max": "0", "memory.oom.group": "1"}
    if cpu:
        files["cpu.max"] = f"{cpu} {period}"
    return files, optional_files


FILES: Final[dict[int, Callable[..., tuple[Texts, Texts]]]] = {1: version_1_files, 2: version_2_files}


def _own_groups(text: str) -> dict[str, str]:
    """Return the path of our group by controller; version 2's controller has no name."""
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            paths[name] = path
    return paths


def _mounts(text: str) -> list[tuple[str, str, str, list[str]]]:
    """Return root, mount point, kind and options of each file system of control groups."""
    entries = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, rest = before.split(), after.split()
        if len(rest) > 2 and rest[0] in ("cgroup", "cgroup2"):
            entries.append((words[3], words[4], rest[0], rest[2].split(",")))
    return entries


def _path_below_mount(point: str, root: str, path: str) -> str:
    """Return the path of a group below a mount point whose root is `root`."""
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return f"{point}{path}".rstrip("/")
