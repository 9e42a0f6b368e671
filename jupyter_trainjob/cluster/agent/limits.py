"""What a container may take of memory and processors, and who holds it to that.

In: a container's limits, and what this computer lets us enforce (`probe`, asked once, and only when a limit is asked
for). Out: the part of the shim's document that tells it what to do (`plan`). Three ways, the best that there is:

=========  ==================================================  ====================================================
           memory                                              processors
=========  ==================================================  ====================================================
cgroup     the kernel kills; version 1 or 2, where writable    a quota
otherwise  the shim looks, and kills what takes too much       whole processors, by affinity (Linux); else nothing
=========  ==================================================  ====================================================

Whoever is over the memory limit is killed as a whole: exit code 137, reason OOMKilled.
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

from jupyter_trainjob.api import pods, quantity
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.agent import cgroups
from jupyter_trainjob.cluster.agent.cgroupfiles import FILES, Place, places
from jupyter_trainjob.worker.protocol import GROUP_PREFIX

PERIOD: Final = 100_000
"""Microseconds over which a quota of processor time counts; kubelet's."""
SMALLEST_QUOTA: Final = 1_000


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Where limits are enforced. `memory` and `cpu` are control groups to make ours in; None: there is no such."""

    memory: Place | None = None
    cpu: Place | None = None
    refusal: str = ""
    """Why one of them is None."""

    @property
    def memory_by(self) -> str:
        """Return in words who holds programs to their memory."""
        return f"cgroup v{self.memory.version}" if self.memory else "a watcher in each shim"

    @property
    def cpu_by(self) -> str:
        """Return in words who holds programs to their processors."""
        if self.cpu:
            return f"cgroup v{self.cpu.version}"
        return "affinity, in whole processors" if sys.platform == "linux" else "nobody"


def probe() -> Enforcement:
    """Return the best that this computer allows: a control group is made, entered and removed to know."""
    if sys.platform != "linux":
        return Enforcement(refusal=f"{sys.platform} has no control groups")
    try:
        found = places(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    except OSError as error:
        return Enforcement(refusal=str(error))
    memory, why_memory = _first_usable("memory", found.get("memory", []))
    cpu, why_cpu = _first_usable("cpu", found.get("cpu", []))
    return Enforcement(memory, cpu, why_memory or why_cpu)


def plan(pod: Object, container: Object, enforcement: Enforcement, *, name: str, cpus: Sequence[int]) -> Object | None:
    """Return what the shim has to enforce, None where no limit is asked; `name` is the run's own on this computer."""
    asked = quantity.amounts((container.get("resources") or {}).get("limits"))
    memory, cpu = math.ceil(asked.get("memory", 0)), float(asked.get("cpu", 0))
    if not memory and not cpu:
        return None
    groups, affinity = [], None
    if memory and enforcement.memory is not None:
        groups.append(_group(enforcement.memory, name, memory=memory))
    if cpu and enforcement.cpu is not None:
        quota = max(SMALLEST_QUOTA, round(cpu * PERIOD))
        groups = _merged([*groups, _group(enforcement.cpu, name, cpu=quota)])
    elif cpu and sys.platform == "linux":
        affinity = share(cpus, math.ceil(cpu), _turn(pod))
    return {"memory": memory, "groups": groups, "affinity": affinity}


def share(cpus: Sequence[int], count: int, turn: int) -> list[int] | None:
    """Return the processors of the `turn`-th program that may use `count` of them; None: it may use all."""
    if count >= len(cpus):
        return None
    return sorted(cpus[(turn * count + step) % len(cpus)] for step in range(count))


def group_name(root: Path, uid: str, container: str, attempt: int) -> str:
    """Return the name of a run's control groups; other agents on this computer have others."""
    own = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    return f"{GROUP_PREFIX}{own}-{uid}-{container}-{attempt}"


def release(run: Path) -> None:
    """Empty and remove the control groups of a run whose shim is gone; there is nothing to do where it did."""
    try:
        document = json.loads((run / "spec.json").read_bytes())
    except (OSError, ValueError):
        return
    for group in (document.get("limits") or {}).get("groups") or ():
        cgroups.remove(group["folder"])


def _turn(pod: Object) -> int:
    """Return a number that tells the pods of a job from one another, so that they do not share processors."""
    index = pods.completion_index(pod)
    return index if index is not None else hashlib.sha256(str(pod["metadata"]["uid"]).encode()).digest()[0]


def _group(place: Place, name: str, *, memory: int = 0, cpu: int = 0) -> Object:
    files, wishes = FILES[place.version](memory=memory, cpu=cpu, period=PERIOD)
    return {"folder": f"{place.folder}/{name}", "files": files, "wishes": wishes}


def _merged(groups: list[Object]) -> list[Object]:
    """Return the groups with one entry for each folder; version 2 has one folder for everything."""
    found: dict[str, Object] = {}
    for group in groups:
        same = found.setdefault(group["folder"], {"folder": group["folder"], "files": {}, "wishes": {}})
        same["files"] |= group["files"]
        same["wishes"] |= group["wishes"]
    return list(found.values())


def _first_usable(controller: str, found: list[Place]) -> tuple[Place | None, str]:
    refusal = f"there is no {controller} control group here"
    for place in found:
        try:
            _try(controller, place)
        except OSError as error:  # noqa: PERF203
            refusal = f"{place.folder}: {error.strerror or error}"
        else:
            return place, ""
    return None, refusal


def _try(controller: str, place: Place) -> None:
    if place.version == 2:
        _enable(controller, Path(place.folder))
    group = _group(place, f"{GROUP_PREFIX}probe-{os.getpid()}-{controller}", **{controller: 64 << 20})
    waiting = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        cgroups.enter(group, waiting.pid)
    finally:
        waiting.kill()
        waiting.communicate()
        cgroups.remove(group["folder"])


def _enable(controller: str, folder: Path) -> None:
    """Give a controller to the groups below a folder; OSError where that is not ours to decide."""
    control = folder / "cgroup.subtree_control"
    if controller not in control.read_text().split():
        with contextlib.suppress(FileNotFoundError):
            control.write_text(f"+{controller}")
