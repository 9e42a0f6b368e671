"""The memory and CPU limits of a container, and the mechanisms that enforce them.

In: a container's limits, and the mechanisms of this computer (`probe`, called once, with the first limit). Out: the
limits in the shim's document (`plan`). The best available mechanism is used:

=========  ==================================================  ====================================================
           memory                                              processors
=========  ==================================================  ====================================================
cgroup     the kernel kills; version 1 or 2, where writable    a quota
otherwise  the shim polls, and kills a program over its limit   whole processors, by affinity (Linux); else nothing
=========  ==================================================  ====================================================

A container over its memory limit is killed as a whole: exit code 137, reason OOMKilled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.kinds import pods
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.agent.limits.cgroup_files import FILES, GroupFolder, candidate_folders
from jupyter_trainjob.cluster.agent.shim import cgroups
from jupyter_trainjob.worker.protocol import GROUP_PREFIX

PERIOD_MICROSECONDS: Final = 100_000
"""Microseconds of a CPU quota's period, as kubelet's."""
MIN_QUOTA: Final = 1_000


@dataclass(frozen=True, slots=True)
class Enforcement:
    """How limits are enforced. `memory` and `cpu` are the control groups to create groups in, None if not available."""

    memory: GroupFolder | None = None
    cpu: GroupFolder | None = None
    refusal: str = ""
    """Why `memory` or `cpu` is None."""

    @property
    def memory_by(self) -> str:
        """Return the name of the mechanism for memory limits."""
        return f"cgroup v{self.memory.version}" if self.memory else "a watcher in each shim"

    @property
    def cpu_by(self) -> str:
        """Return the name of the mechanism for CPU limits."""
        if self.cpu:
            return f"cgroup v{self.cpu.version}"
        return "affinity, in whole processors" if sys.platform == "linux" else "nobody"


def probe() -> Enforcement:
    """Return the best available mechanisms, tested by creating, entering and removing a control group."""
    if sys.platform != "linux":
        return Enforcement(refusal=f"{sys.platform} has no control groups")
    try:
        candidates = candidate_folders(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    except OSError as error:
        return Enforcement(refusal=str(error))
    memory, memory_refusal = _first_usable("memory", candidates.get("memory", []))
    cpu, cpu_refusal = _first_usable("cpu", candidates.get("cpu", []))
    return Enforcement(memory, cpu, memory_refusal or cpu_refusal)


def plan(
    pod: KubeObject, container: KubeObject, enforcement: Enforcement, *, name: str, cpus: Sequence[int]
) -> KubeObject | None:
    """Return the limits for the shim, None if the container has none; `name` is unique to the run on this computer."""
    limits = quantity.parse_amounts((container.get("resources") or {}).get("limits"))
    memory, cpu = math.ceil(limits.get("memory", 0)), float(limits.get("cpu", 0))
    if not memory and not cpu:
        return None
    groups, affinity = [], None
    if memory and enforcement.memory is not None:
        groups.append(_group(enforcement.memory, name, memory=memory))
    if cpu and enforcement.cpu is not None:
        quota = max(MIN_QUOTA, round(cpu * PERIOD_MICROSECONDS))
        groups = _merged([*groups, _group(enforcement.cpu, name, cpu=quota)])
    elif cpu and sys.platform == "linux":
        affinity = allot_cpus(cpus, math.ceil(cpu), _rotation(pod))
    return {"memory": memory, "groups": groups, "affinity": affinity}


def allot_cpus(cpus: Sequence[int], count: int, turn: int) -> list[int] | None:
    """Return the `count` CPUs of the `turn`-th program, in rotation; None if it may use all.

    >>> allot_cpus([0, 1, 2, 3], 2, 1)
    [2, 3]
    """
    if count >= len(cpus):
        return None
    return sorted(cpus[(turn * count + step) % len(cpus)] for step in range(count))


def group_name(root: Path, uid: str, container: str, attempt: int) -> str:
    """Return the name of a run's control groups, which includes a hash of the agent's folder."""
    own = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    return f"{GROUP_PREFIX}{own}-{uid}-{container}-{attempt}"


def remove_groups(run: Path) -> None:
    """Kill the processes in the control groups of a run whose shim has ended, and remove the groups."""
    try:
        document = json.loads((run / "spec.json").read_bytes())
    except (OSError, ValueError):
        return
    for group in (document.get("limits") or {}).get("groups") or ():
        cgroups.remove(group["folder"])


def _rotation(pod: KubeObject) -> int:
    """Return a number that differs between the pods of a job, so that they use different CPUs."""
    index = pods.completion_index(pod)
    return index if index is not None else hashlib.sha256(str(pod["metadata"]["uid"]).encode()).digest()[0]


def _group(group_folder: GroupFolder, name: str, *, memory: int = 0, cpu: int = 0) -> KubeObject:
    files, optional_files = FILES[group_folder.version](memory=memory, cpu=cpu, period=PERIOD_MICROSECONDS)
    return {"folder": f"{group_folder.folder}/{name}", "files": files, "optional_files": optional_files}


def _merged(groups: list[KubeObject]) -> list[KubeObject]:
    """Merge the groups by folder: version 2 has one folder for all controllers."""
    merged: dict[str, KubeObject] = {}
    for group in groups:
        entry = merged.setdefault(group["folder"], {"folder": group["folder"], "files": {}, "optional_files": {}})
        entry["files"] |= group["files"]
        entry["optional_files"] |= group["optional_files"]
    return list(merged.values())


def _first_usable(controller: str, candidates: list[GroupFolder]) -> tuple[GroupFolder | None, str]:
    refusal = f"there is no {controller} control group here"
    for group_folder in candidates:
        try:
            _try(controller, group_folder)
        except OSError as error:  # noqa: PERF203
            refusal = f"{group_folder.folder}: {error.strerror or error}"
        else:
            return group_folder, ""
    return None, refusal


def _try(controller: str, group_folder: GroupFolder) -> None:
    if group_folder.version == 2:
        _enable(controller, Path(group_folder.folder))
    group = _group(group_folder, f"{GROUP_PREFIX}probe-{os.getpid()}-{controller}", **{controller: 64 << 20})
    waiting = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        cgroups.enter(group, waiting.pid)
    finally:
        waiting.kill()
        waiting.communicate()
        cgroups.remove(group["folder"])


def _enable(controller: str, folder: Path) -> None:
    """Enable a controller for the children of a group. Raises OSError without permission."""
    control = folder / "cgroup.subtree_control"
    if controller not in control.read_text().split():
        with contextlib.suppress(FileNotFoundError):
            control.write_text(f"+{controller}")
