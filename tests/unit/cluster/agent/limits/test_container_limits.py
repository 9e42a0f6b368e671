"""Container limits: their plans, and programs that exceed them under each way of enforcement."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import SECRETS, KubeObject
from jupyter_trainjob.cluster.agent.containers.torchrun_env import ARCHIVE
from jupyter_trainjob.cluster.agent.limits import container_limits
from jupyter_trainjob.cluster.agent.limits.cgroup_files import GroupFolder, candidate_folders
from jupyter_trainjob.cluster.agent.limits.container_limits import Enforcement
from jupyter_trainjob.cluster.agent.shim import cgroups, memory_watch, shim
from tests import needs
from tests.unit.cluster.agent.cluster import Cluster
from tests.waiting import patience

MIB = 1 << 20
FOUND = container_limits.probe()
WATCHED = Enforcement(refusal="the test wants none")
grouped = pytest.mark.skipif(FOUND.memory is None, reason=FOUND.refusal or "control groups may be made")
WAYS = [pytest.param(FOUND, id="control group", marks=grouped), pytest.param(WATCHED, id="watcher")]

PLACES = {
    "version 1: below our own group of each controller": (
        "4:memory:/user/me\n2:cpu,cpuacct:/\n0::/\n",
        (
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        ),
        {"memory": [GroupFolder(1, "/sys/fs/cgroup/memory/user/me")], "cpu": [GroupFolder(1, "/sys/fs/cgroup/cpu")]},
    ),
    "version 1 in a container that shows its own part of the tree": (
        "4:memory:/docker/abc\n",
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        {"memory": [GroupFolder(1, "/sys/fs/cgroup/memory")], "cpu": []},
    ),
    "version 2: our own group, then those above": (
        "0::/user.slice/user-1.slice/run.scope\n",
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
        {
            name: [
                GroupFolder(2, "/sys/fs/cgroup/user.slice/user-1.slice/run.scope"),
                GroupFolder(2, "/sys/fs/cgroup/user.slice/user-1.slice"),
                GroupFolder(2, "/sys/fs/cgroup/user.slice"),
                GroupFolder(2, "/sys/fs/cgroup"),
            ]
            for name in ("memory", "cpu")
        },
    ),
    "nothing where no control group is mounted": ("0::/\n", "22 1 0:20 / / rw - ext4 /dev/x rw\n", {}),
}


@pytest.mark.parametrize(("groups", "mounts", "wanted"), PLACES.values(), ids=list(PLACES))
def test_candidate_group_folders(groups: str, mounts: str, wanted: dict[str, list[GroupFolder]]) -> None:
    assert candidate_folders(groups, mounts) == {"memory": [], "cpu": []} | wanted


BOTH1 = Enforcement(GroupFolder(1, "/m"), GroupFolder(1, "/c"))
BOTH2 = Enforcement(GroupFolder(2, "/g"), GroupFolder(2, "/g"))
PLANS: dict[str, tuple[Enforcement, KubeObject, KubeObject | None]] = {
    "no limit asks for nothing": (BOTH2, {}, None),
    "a limit of something else asks for nothing": (BOTH2, {"nvidia.com/gpu": "1"}, None),
    "version 1 has a group for each controller": (
        BOTH1,
        {"memory": "64Mi", "cpu": "500m"},
        {
            "memory": 64 * MIB,
            "affinity": None,
            "groups": [
                {
                    "folder": "/m/run",
                    "files": {"memory.limit_in_bytes": str(64 * MIB)},
                    "optional_files": {"memory.memsw.limit_in_bytes": str(64 * MIB)},
                },
                {
                    "folder": "/c/run",
                    "files": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
                    "optional_files": {},
                },
            ],
        },
    ),
    "version 2 has one group for both": (
        BOTH2,
        {"memory": "64Mi", "cpu": "2"},
        {
            "memory": 64 * MIB,
            "affinity": None,
            "groups": [
                {
                    "folder": "/g/run",
                    "files": {"memory.max": str(64 * MIB), "cpu.max": "200000 100000"},
                    "optional_files": {"memory.swap.max": "0", "memory.oom.group": "1"},
                }
            ],
        },
    ),
    "without groups memory is watched and processors are shared out": (
        WATCHED,
        {"memory": "64Mi", "cpu": "1500m"},
        {"memory": 64 * MIB, "affinity": [2, 3] if sys.platform == "linux" else None, "groups": []},
    ),
    "a share as large as the computer is none": (
        WATCHED,
        {"cpu": "4"},
        {"memory": 0, "affinity": None, "groups": []},
    ),
}


@pytest.mark.parametrize(("enforcement", "limits", "wanted"), PLANS.values(), ids=list(PLANS))
def test_plan(enforcement: Enforcement, limits: KubeObject, wanted: KubeObject | None) -> None:
    pod = {"metadata": {"uid": "u", "annotations": {"batch.kubernetes.io/job-completion-index": "1"}}}
    container = {"name": "c", "resources": {"limits": limits}}
    assert container_limits.plan(pod, container, enforcement, name="run", cpus=range(4)) == wanted


SHARES = {
    "the first program gets the first processors": (2, 0, [0, 1]),
    "the next program gets the next ones": (2, 1, [2, 3]),
    "those after the last begin again": (3, 1, [0, 1, 3]),
    "a container with all processors is not pinned": (4, 0, None),
}


@pytest.mark.parametrize(("count", "turn", "wanted"), SHARES.values(), ids=list(SHARES))
def test_share_of_the_processors(count: int, turn: int, wanted: list[int] | None) -> None:
    assert container_limits.allot_cpus(range(4), count, turn) == wanted


PAUSES = {
    "far from the limit the longest": (10 << 30, memory_watch.MAX_SECONDS),
    "the shortest interval near the limit": (1, memory_watch.MIN_SECONDS),
    "the shortest interval above the limit": (-1, memory_watch.MIN_SECONDS),
    "in between as long as the growth allows": (1 << 30, 0.5),
}


@pytest.mark.parametrize(("headroom", "wanted"), PAUSES.values(), ids=list(PAUSES))
def test_measurement_interval(headroom: int, wanted: float) -> None:
    assert memory_watch.seconds_to_next_check(headroom) == wanted


def test_exact_size_is_measured_only_if_the_upper_bound_is_too_large() -> None:
    calls = []

    def exact(_: Any) -> int:
        calls.append(1)
        return 5

    assert not memory_watch.MemoryWatch(10, upper=lambda _: 9, exact=exact).exceeded([1])
    assert not calls
    assert not memory_watch.MemoryWatch(10, upper=lambda _: 11, exact=exact).exceeded([1])
    assert memory_watch.MemoryWatch(4, upper=lambda _: 11, exact=exact).exceeded([1])


def test_own_memory_is_measured() -> None:
    assert 0 < memory_watch.proportional_bytes([os.getpid()]) <= memory_watch.resident_bytes([os.getpid()])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    """Return a function that runs code under a shim with limits and returns how it ended."""
    name = container_limits.group_name(tmp_path, "uid", "main", 0)
    planned: list[KubeObject] = []

    def done(code: str, enforcement: Enforcement, **limits: str) -> KubeObject:
        container = {"name": "main", "resources": {"limits": limits}}
        pod = {"metadata": {"uid": "u"}}
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        plan = container_limits.plan(pod, container, enforcement, name=name, cpus=cpus)
        assert plan is not None
        planned.append(plan)
        log = {"size": 1 << 20, "files": 2, "frame": "::", "kept_size": 1 << 20}
        document = {"argv": [sys.executable, "-c", code], "env": {}, "cwd": "/", "grace": 1, "namespaces": None}
        (tmp_path / "log").mkdir()
        (tmp_path / "spec.json").write_text(json.dumps({**document, "log": log, "limits": plan}))
        lock, ready = (tmp_path / "alive").open("wb"), (tmp_path / "ready").open("wb")
        with lock, ready:
            fds = (lock.fileno(), ready.fileno())
            words = [sys.executable, "-I", "-S", shim.__file__, str(tmp_path), *map(str, fds)]
            subprocess.run(words, pass_fds=fds, start_new_session=True, check=True, timeout=patience(60))
        end: KubeObject = json.loads((tmp_path / "exit.json").read_text())
        return end

    yield done
    for plan in planned:
        for group in plan["groups"]:
            assert not Path(group["folder"]).exists()
            cgroups.remove(group["folder"])


HOG = "import time; held = [bytearray(8 << 20) for _ in range({count})]; time.sleep({seconds})"


@pytest.mark.parametrize("enforcement", WAYS)
def test_program_over_its_memory_limit_is_killed(run: Any, enforcement: Enforcement) -> None:
    end = run(HOG.format(count=16, seconds=60), enforcement, memory="64Mi")
    assert (end["code"], end["signal"], end["reason"]) == (137, 9, "OOMKilled")


@pytest.mark.parametrize("enforcement", WAYS)
def test_program_within_its_memory_limit_is_not_killed(run: Any, enforcement: Enforcement) -> None:
    end = run(HOG.format(count=2, seconds=0.3), enforcement, memory="64Mi", cpu="1")
    assert (end["code"], end.get("reason")) == (0, None)


@pytest.mark.parametrize("enforcement", WAYS)
def test_memory_of_children_counts_and_all_are_killed(run: Any, enforcement: Enforcement) -> None:
    hog = HOG.format(count=6, seconds=60)
    code = f"""
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, '-c', {hog!r}], start_new_session=True) for _ in range(2)]
time.sleep(60)
"""
    end = run(code, enforcement, memory="80Mi")
    assert (end["code"], end["reason"]) == (137, "OOMKilled")


@pytest.mark.skipif(FOUND.cpu is None, reason=FOUND.refusal or "control groups may be made")
def test_cpu_quota_is_enforced(run: Any) -> None:
    code = """
import time
begin = time.monotonic()
while time.monotonic() - begin < 1.0:
    pass
assert time.process_time() < 0.7, time.process_time()
"""
    assert run(code, FOUND, cpu="250m")["code"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="macOS binds no program to processors")
def test_cpu_affinity_is_set_without_a_quota(run: Any) -> None:
    wanted = min(1, len(os.sched_getaffinity(0)))
    code = f"import os, sys; sys.exit(len(os.sched_getaffinity(0)) != {wanted})"
    assert run(code, WATCHED, cpu="500m")["code"] == 0


def test_memory_is_watched_if_the_kernel_rejects_the_group(run: Any, tmp_path: Path) -> None:
    missing_group = Enforcement(GroupFolder(1, str(tmp_path / "no" / "such")))
    end = run(HOG.format(count=16, seconds=60), missing_group, memory="64Mi")
    assert (end["code"], end["reason"]) == (137, "OOMKilled")


@grouped
def test_groups_of_a_killed_shim_are_emptied_and_removed(tmp_path: Path) -> None:
    pod = {"metadata": {"uid": "u"}}
    container = {"name": "main", "resources": {"limits": {"memory": "64Mi"}}}
    name = container_limits.group_name(tmp_path, "uid", "main", 1)
    plan = container_limits.plan(pod, container, FOUND, name=name, cpus=[0])
    assert plan is not None
    (tmp_path / "spec.json").write_text(json.dumps({"limits": plan}))
    pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    cgroups.enter(plan["groups"][0], pid)
    assert cgroups.member_pids(plan["groups"][0]["folder"]) == [pid]
    container_limits.remove_groups(tmp_path)
    assert os.waitpid(pid, 0)[1] == 9
    assert not Path(plan["groups"][0]["folder"]).exists()


@pytest.mark.parametrize("enforcement", WAYS)
def test_pod_over_its_limit_has_kubelets_status(cluster: Cluster, enforcement: Enforcement) -> None:
    cluster.agent(enforcement=enforcement)
    limited = {"resources": {"limits": {"memory": "64Mi", "cpu": "1"}}}
    cluster.script(HOG.format(count=16, seconds=60), container=limited)
    end = cluster.ended()
    assert (cluster.phase(), end["exitCode"], end["reason"]) == ("Failed", 137, "OOMKilled")


def test_limits_apply_to_a_warm_pod(cluster: Cluster) -> None:
    needs.module("torch")
    cluster.agent(enforcement=FOUND)
    # The pages of the server that it is forked from are not its own.
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as pyz:
        pyz.writestr("__main__.py", HOG.format(count=48, seconds=60))
    data = {"job.pyz": base64.b64encode(archive.getvalue()).decode()}
    cluster.client.create(SECRETS, {"metadata": {"name": "bundle"}, "data": data}, namespace="default")
    options = {"NNODES": "1", "NPROC_PER_NODE": "1", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    options["MASTER_PORT"] = "29500"
    container = {
        "env": [{"name": f"PET_{name}", "value": value} for name, value in options.items()],
        "resources": {"limits": {"memory": "192Mi", "cpu": "1"}},
        "volumeMounts": [{"name": "bundle", "mountPath": "/trainjob"}],
    }
    volumes = [{"name": "bundle", "secret": {"secretName": "bundle"}}]
    cluster.run("torchrun", ARCHIVE, container=container, volumes=volumes)
    end = cluster.ended(seconds=120)
    assert cluster.newest().spec()["argv"] == [ARCHIVE], "it did not start warm"
    assert (end["exitCode"], end["reason"]) == (137, "OOMKilled")


@grouped
def test_control_groups_are_removed_after_a_shim_is_killed(cluster: Cluster) -> None:
    cluster.agent(enforcement=FOUND)
    cluster.script("import time; time.sleep(60)", container={"resources": {"limits": {"memory": "256Mi", "cpu": "1"}}})
    cluster.until("Running")
    run = cluster.newest()
    groups = [Path(group["folder"]) for group in run.spec()["limits"]["groups"]]
    pids = run.pids()
    assert pids is not None
    assert all(cgroups.member_pids(str(group)) for group in groups)
    os.kill(pids["shim"]["pid"], 9)
    cluster.until("Failed")
    assert not [group for group in groups if group.exists()]


def test_process_of_another_pid_namespace_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("0\n12\n0\n")
    assert cgroups.member_pids(str(tmp_path)) == [12], "a signal to 0 would reach our own group"
