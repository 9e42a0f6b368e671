"""The resource usage of a pod from both versions of control groups, processes and NVML."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_trainjob.worker.monitoring import resource_usage
from jupyter_trainjob.worker.monitoring.nvml import Gpu, Nvml
from jupyter_trainjob.worker.monitoring.resource_usage import Cgroups, ProcessTree, ResourceSampler
from tests.paths import ROOT

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
CONTAINER = {resource_usage.KUBELET: "10.0.0.1"}
EMBEDDED: dict[str, str] = {}


def proc(folder: Path, groups: str, mounts: str) -> str:
    proc_dir = folder / "proc"
    proc_dir.mkdir()
    (proc_dir / "cgroup").write_text(groups)
    (proc_dir / "mountinfo").write_text(mounts.format(at=folder))
    return str(proc_dir)


def files(folder: Path, **texts: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


V2 = "30 20 0:26 {root} {{at}}/cg rw shared:4 - cgroup2 cgroup2 rw\n"
V1 = "".join(
    f"3{number} 20 0:2{number} {{root}} {{{{at}}}}/{name} rw - cgroup cgroup rw,{name}\n"
    for number, name in enumerate(("memory", "cpu", "cpuacct"))
)
FIRST = "4:memory:{path}\n3:cpu:{path}\n2:cpuacct:{path}\n0::/\n"
SCENES: dict[str, tuple[str, str, Mapping[str, str], dict[str, str]]] = {
    "a container sees its own group as the root": ("0::/\n", V2.format(root="/"), CONTAINER, {"v2": "cg"}),
    "a container of version 1 sees the node's path": (
        FIRST.format(path="/kubepods/pod1/c1"),
        V1.format(root="/kubepods/pod1/c1"),
        CONTAINER,
        {"memory": "memory", "cpu": "cpu", "cpuacct": "cpuacct"},
    ),
    "a container that sees the whole tree finds its group in it": (
        FIRST.format(path="/kubepods/pod1/c1"),
        V1.format(root="/"),
        CONTAINER,
        {name: f"{name}/kubepods/pod1/c1" for name in ("memory", "cpu", "cpuacct")},
    ),
    "a pod of the embedded cluster finds the group made for it": (
        "0::/user.slice/trainjob-1-a-b-0\n",
        V2.format(root="/"),
        EMBEDDED,
        {"v2": "cg/user.slice/trainjob-1-a-b-0"},
    ),
    "one with a limit of memory only has that group only": (
        "4:memory:/x/trainjob-1\n3:cpu:/x\n2:cpuacct:/x\n",
        V1.format(root="/"),
        EMBEDDED,
        {"memory": "memory/x/trainjob-1"},
    ),
    "one without limits shares its group with others": ("0::/user.slice\n", V2.format(root="/"), EMBEDDED, {}),
    "nothing is mounted": ("0::/\n", "", CONTAINER, {}),
}


@pytest.mark.parametrize(("groups", "mounts", "environ", "expected"), SCENES.values(), ids=SCENES)
def test_cgroups_of_the_pod_are_found(
    tmp_path: Path, groups: str, mounts: str, environ: Mapping[str, str], expected: dict[str, str]
) -> None:
    if "v2" in expected:
        files(tmp_path / expected["v2"], memory__current="1")
    cgroups = resource_usage.find_cgroups(proc(tmp_path, groups, mounts), environ)
    assert cgroups == Cgroups(**{name: f"{tmp_path}/{folder}" for name, folder in expected.items()})


def test_root_cgroup_is_ignored(tmp_path: Path) -> None:
    assert resource_usage.find_cgroups(proc(tmp_path, "0::/\n", V2.format(root="/")), CONTAINER) == Cgroups()


def test_no_cgroups_are_found_without_mounts(tmp_path: Path) -> None:
    assert resource_usage.find_cgroups(str(tmp_path)) == Cgroups()


def test_version_2_reports_all_values(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        cpu__stat="usage_usec 2500000\nuser_usec 1\n",
        cpu__max="50000 100000\n",
        memory__current="3000\n",
        memory__max="65536\n",
        memory__stat="anon 5\ninactive_file 1000\n",
    )
    assert ResourceSampler(Cgroups(v2=folder)).read() == (2.5, 0.5, 2000, 65536)


def test_version_2_without_limits_reports_the_machines(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        cpu__stat="usage_usec 0\n",
        cpu__max="max 100000\n",
        memory__current="1\n",
        memory__max="max\n",
        memory__stat="",
    )
    usage = ResourceSampler(Cgroups(v2=folder)).read()
    assert usage.cpu_limit == resource_usage._processors()
    assert usage.memory_limit is not None
    assert usage.memory_limit > 2**26


def test_version_1_reports_all_values(tmp_path: Path) -> None:
    memory = files(
        tmp_path / "m",
        memory__usage_in_bytes="3000\n",
        memory__limit_in_bytes="65536\n",
        memory__stat="cache 9\ntotal_inactive_file 1000\n",
    )
    cpu = files(tmp_path / "c", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
    cpuacct = files(tmp_path / "a", cpuacct__usage="2500000000\n")
    usage = ResourceSampler(Cgroups(memory=memory, cpu=cpu, cpuacct=cpuacct)).read()
    assert usage == (2.5, min(1.5, resource_usage._processors() or 1.5), 2000, 65536)


def test_version_1_without_limits_reports_the_machines(tmp_path: Path) -> None:
    memory = files(
        tmp_path / "m", memory__usage_in_bytes="1\n", memory__limit_in_bytes=f"{2**63 - 4096}\n", memory__stat=""
    )
    cpu = files(tmp_path / "c", cpu__cfs_quota_us="-1\n")
    cpuacct = files(tmp_path / "a", cpuacct__usage="0\n")
    usage = ResourceSampler(Cgroups(memory=memory, cpu=cpu, cpuacct=cpuacct)).read()
    assert usage.cpu_limit == resource_usage._processors()
    assert usage.memory_limit is not None
    assert usage.memory_limit < 2**60


def test_deleted_cgroup_yields_no_sample(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="memory"):
        ResourceSampler(Cgroups(memory=str(tmp_path))).read()


FAMILY = """
import subprocess, sys
child = "b = bytearray(64 << 20); print('there', flush=True); input()"
subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"])
subprocess.run([sys.executable, "-c", child])
"""


@LINUX
def test_usage_without_cgroups_sums_current_and_ended_processes() -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as family:
        assert family.stdout is not None
        family.stdout.readline()
        pids = resource_usage.process_tree(family.pid)
        assert len(pids) == 2
        cpu, memory = ProcessTree(family.pid).read()
        family.communicate(b"\n")
    assert memory > 64 << 20
    assert cpu > 0.1
    assert ProcessTree(family.pid).read() == (0, 0)


FIND_FIRST = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    "from jupyter_trainjob.worker.monitoring import resource_usage; print(resource_usage.first_process())"
)


@LINUX
@pytest.mark.parametrize("workers_lead_sessions", [False, True], ids=["sharing a session", "leading sessions"])
def test_first_process_of_a_pod_is_the_child_of_its_shim(*, workers_lead_sessions: bool) -> None:
    """A leader of a session makes a launcher, which makes a rank."""
    rank = f"subprocess.run([sys.executable, '-c', {FIND_FIRST!r}], start_new_session={workers_lead_sessions})"
    launcher = f"import os, subprocess, sys; print(os.getpid(), flush=True); {rank}"
    shim = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {launcher!r}])"
    done = subprocess.run([sys.executable, "-c", shim], start_new_session=True, capture_output=True, check=True)
    launched, reported = done.stdout.split()
    assert reported == launched


FAKE = """
#include <string.h>
static int devices[3];
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = &devices[index];
    devices[index] = index;
    return 0;
}
int nvmlDeviceGetUUID(int *device, char *text, unsigned size) {
    strncpy(text, "GPU-a-0", size);
    text[6] += *device;
    return 0;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) { strncpy(text, "NVIDIA T4", size); return 0; }
struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(int *device, struct memory *found) {
    found->total = 1ULL << 34;
    found->used = 1000 + *device;
    return *device == 1 ? 15 : 0;
}
struct rates { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(int *device, struct rates *found) {
    found->gpu = 97;
    return *device == 2 ? 3 : 0;
}
"""
COMPILER = shutil.which("cc")
GPUS = [Gpu("NVIDIA T4", 0.97, 1000, 1 << 34), Gpu("NVIDIA T4", None, 1002, 1 << 34)]
VISIBLE = {
    "all": (None, GPUS),
    "none": ("", []),
    "by number": ("2", GPUS[1:]),
    "by name": ("GPU-a-0,GPU-a-2", GPUS),
    "by the beginning of a name": ("GPU-a-2", GPUS[1:]),
    "one that does not answer": ("1", []),
    "a slice of one": ("MIG-12", []),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(FAKE)
    library = str(folder / "libnvidia-ml.so.1")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", library, str(folder / "nvml.c")], check=True)
    return library


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler: apt-get install gcc")
@pytest.mark.parametrize(("visible", "expected"), VISIBLE.values(), ids=VISIBLE)
def test_only_gpus_assigned_to_the_pod_are_measured(library: str, visible: str | None, expected: list[Gpu]) -> None:
    assert Nvml(visible, library).read() == expected


def test_no_gpus_without_a_driver(tmp_path: Path) -> None:
    assert Nvml(None, str(tmp_path / "absent.so")).read() == []


@LINUX
def test_growing_memory_is_measured_without_measuring_shared_memory_again() -> None:
    grows = "print('there', flush=True); input(); b = bytearray(64 << 20); print('more', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", grows], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdin is not None
        one.stdout.readline()
        pod = ProcessTree(one.pid)
        _, before = pod.read()
        one.stdin.write(b"\n")
        one.stdin.flush()
        one.stdout.readline()
        _, after = pod.read()
        one.communicate(b"\n")
    assert 0 < before < 64 << 20
    assert 60 << 20 < after - before < 80 << 20
