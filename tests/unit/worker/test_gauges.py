"""What a pod uses, as two versions of control groups, processes and NVML tell it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from jupyter_trainjob.worker import gauges
from jupyter_trainjob.worker.gauges import Gauges, Groups, Tree
from jupyter_trainjob.worker.nvml import Gpu, Nvml

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
CONTAINER = {gauges.KUBELET: "10.0.0.1"}
EMBEDDED: dict[str, str] = {}


def proc(folder: Path, groups: str, mounts: str) -> str:
    place = folder / "proc"
    place.mkdir()
    (place / "cgroup").write_text(groups)
    (place / "mountinfo").write_text(mounts.format(at=folder))
    return str(place)


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
def test_groups_that_are_the_pods_alone(
    tmp_path: Path, groups: str, mounts: str, environ: Mapping[str, str], expected: dict[str, str]
) -> None:
    if "v2" in expected:
        files(tmp_path / expected["v2"], memory__current="1")
    found = gauges.find(proc(tmp_path, groups, mounts), environ)
    assert found == Groups(**{name: f"{tmp_path}/{folder}" for name, folder in expected.items()})


def test_the_whole_machines_group_is_nobodys(tmp_path: Path) -> None:
    assert gauges.find(proc(tmp_path, "0::/\n", V2.format(root="/")), CONTAINER) == Groups()


def test_there_may_be_no_groups_at_all(tmp_path: Path) -> None:
    assert gauges.find(str(tmp_path)) == Groups()


def test_version_2_tells_all(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        cpu__stat="usage_usec 2500000\nuser_usec 1\n",
        cpu__max="50000 100000\n",
        memory__current="3000\n",
        memory__max="65536\n",
        memory__stat="anon 5\ninactive_file 1000\n",
    )
    assert Gauges(Groups(v2=folder)).read() == (2.5, 0.5, 2000, 65536)


def test_version_2_without_limits_has_the_machines(tmp_path: Path) -> None:
    folder = files(
        tmp_path,
        cpu__stat="usage_usec 0\n",
        cpu__max="max 100000\n",
        memory__current="1\n",
        memory__max="max\n",
        memory__stat="",
    )
    found = Gauges(Groups(v2=folder)).read()
    assert found.cpu_limit == gauges._processors()
    assert found.memory_limit is not None
    assert found.memory_limit > 2**26


def test_version_1_tells_all(tmp_path: Path) -> None:
    memory = files(
        tmp_path / "m",
        memory__usage_in_bytes="3000\n",
        memory__limit_in_bytes="65536\n",
        memory__stat="cache 9\ntotal_inactive_file 1000\n",
    )
    cpu = files(tmp_path / "c", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
    cpuacct = files(tmp_path / "a", cpuacct__usage="2500000000\n")
    found = Gauges(Groups(memory=memory, cpu=cpu, cpuacct=cpuacct)).read()
    assert found == (2.5, min(1.5, gauges._processors() or 1.5), 2000, 65536)


def test_version_1_without_limits_has_the_machines(tmp_path: Path) -> None:
    memory = files(
        tmp_path / "m", memory__usage_in_bytes="1\n", memory__limit_in_bytes=f"{2**63 - 4096}\n", memory__stat=""
    )
    cpu = files(tmp_path / "c", cpu__cfs_quota_us="-1\n")
    cpuacct = files(tmp_path / "a", cpuacct__usage="0\n")
    found = Gauges(Groups(memory=memory, cpu=cpu, cpuacct=cpuacct)).read()
    assert found.cpu_limit == gauges._processors()
    assert found.memory_limit is not None
    assert found.memory_limit < 2**60


def test_a_group_that_is_gone_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="memory"):
        Gauges(Groups(memory=str(tmp_path))).read()


FAMILY = """
import subprocess, sys
child = "b = bytearray(64 << 20); print('there', flush=True); input()"
subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"])
subprocess.run([sys.executable, "-c", child])
"""


@LINUX
def test_a_pod_without_groups_is_its_processes_and_those_that_were() -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as family:
        assert family.stdout is not None
        family.stdout.readline()
        pids = gauges.tree(family.pid)
        assert len(pids) == 2
        cpu, memory = Tree(family.pid).read()
        family.communicate(b"\n")
    assert memory > 64 << 20
    assert cpu > 0.1
    assert Tree(family.pid).read() == (0, 0)


ROOT = str(Path(gauges.__file__).parents[2])
FIND_FIRST = (
    f"import sys; sys.path.insert(0, {ROOT!r}); from jupyter_trainjob.worker import gauges as g; print(g.first())"
)


@LINUX
@pytest.mark.parametrize("workers_lead_sessions", [False, True], ids=["sharing a session", "leading sessions"])
def test_the_first_process_of_a_pod_is_the_one_that_its_shim_made(*, workers_lead_sessions: bool) -> None:
    """A leader of a session makes a launcher, which makes a rank."""
    rank = f"subprocess.run([sys.executable, '-c', {FIND_FIRST!r}], start_new_session={workers_lead_sessions})"
    launcher = f"import os, subprocess, sys; print(os.getpid(), flush=True); {rank}"
    shim = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {launcher!r}])"
    done = subprocess.run([sys.executable, "-c", shim], start_new_session=True, capture_output=True, check=True)
    launched, found = done.stdout.split()
    assert found == launched


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
def test_gpus_are_those_that_the_pod_was_given(library: str, visible: str | None, expected: list[Gpu]) -> None:
    assert Nvml(visible, library).read() == expected


def test_without_a_driver_there_are_no_gpus(tmp_path: Path) -> None:
    assert Nvml(None, str(tmp_path / "absent.so")).read() == []


@LINUX
def test_a_look_is_light() -> None:
    reader = Gauges(gauges.find())
    costs = []
    for _ in range(5):
        before = time.thread_time()
        reader.read()
        costs.append(time.thread_time() - before)
    assert min(costs) < 0.02


@LINUX
def test_memory_that_grows_is_seen_without_asking_again_what_is_shared() -> None:
    grows = "print('there', flush=True); input(); b = bytearray(64 << 20); print('more', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", grows], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stdin is not None
        one.stdout.readline()
        pod = Tree(one.pid)
        _, before = pod.read()
        one.stdin.write(b"\n")
        one.stdin.flush()
        one.stdout.readline()
        _, after = pod.read()
        one.communicate(b"\n")
    assert 0 < before < 64 << 20
    assert 60 << 20 < after - before < 80 << 20
