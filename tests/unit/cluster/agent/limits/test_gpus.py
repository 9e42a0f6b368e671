"""GPUs: discovery by NVML, assignment to containers, and persistence over a restart of the agent."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.api.resources import NODES, PODS, KubeObject
from jupyter_trainjob.cluster.agent.limits import gpus
from jupyter_trainjob.cluster.agent.limits.gpus import Gpu, GpuSlots
from jupyter_trainjob.cluster.agent.start_errors import StartRefused
from jupyter_trainjob.constants import NODE_NAME
from tests.unit.cluster.agent.cluster import Cluster

H100 = [Gpu(index, f"GPU-{index}", "NVIDIA H100 80GB HBM3", 80 << 30) for index in range(4)]
MIXED = [H100[0], Gpu(1, "GPU-1", "NVIDIA T4", 16 << 30)]
COMPILER = shutil.which("cc")
FAKE = """
#include <string.h>
static int devices[3];
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = &devices[index];
    return index == 1 ? 15 : 0;
}
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) { strncpy(text, "GPU-abc", size); return 0; }
int nvmlDeviceGetName(void *device, char *text, unsigned size) { strncpy(text, "NVIDIA T4", size); return 0; }
struct memory { unsigned long long total, free, used; };
int nvmlDeviceGetMemoryInfo(void *device, struct memory *found) { found->total = 1ULL << 34; return 0; }
"""


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler: apt-get install gcc")
def test_devices_are_read_from_nvml_without_broken_ones(tmp_path: Path) -> None:
    (tmp_path / "nvml.c").write_text(FAKE)
    library = str(tmp_path / "libnvidia-ml.so.1")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", library, str(tmp_path / "nvml.c")], check=True)
    devices = gpus.NvmlLibrary((str(tmp_path / "absent.so"), library)).gpus()
    assert devices == [Gpu(index, "GPU-abc", "NVIDIA T4", 1 << 34) for index in (0, 2)]


def test_no_devices_without_a_driver(tmp_path: Path) -> None:
    assert gpus.NvmlLibrary((str(tmp_path / "absent.so"),)).gpus() == []


class FakeNvml:
    """A given number of devices."""

    def __init__(self, devices: Sequence[Gpu]) -> None:
        self._devices = devices

    def gpus(self) -> list[Gpu]:
        return list(self._devices)


VISIBLE = {
    "all by default": ({}, [0, 1, 2, 3]),
    "none with the setting 0": ({"TRAINJOB_GPUS": "0"}, []),
    "at most so many": ({"TRAINJOB_GPUS": "3"}, [0, 1, 2]),
    "not more than there are": ({"TRAINJOB_GPUS": "9"}, [0, 1, 2, 3]),
    "those of a batch job, by number": ({"CUDA_VISIBLE_DEVICES": "1,3"}, [1, 3]),
    "those of a batch job, by name": ({"CUDA_VISIBLE_DEVICES": "GPU-2"}, [2]),
    "none without devices": ({"CUDA_VISIBLE_DEVICES": ""}, []),
}


@pytest.mark.parametrize(("environ", "wanted"), VISIBLE.values(), ids=list(VISIBLE))
def test_assignable_devices(environ: dict[str, str], wanted: list[int]) -> None:
    assert [gpu.index for gpu in gpus.assignable_gpus(FakeNvml(H100), environ)] == wanted


def pod(uid: str = "u", init: int = 0) -> KubeObject:
    return {"metadata": {"uid": uid}, "spec": {"initContainers": [asking(init, "init")] if init else []}}


def asking(count: int, name: str = "main") -> KubeObject:
    return {"name": name, "resources": {"limits": {"nvidia.com/gpu": count}} if count else {}}


def test_each_container_has_its_own_devices(tmp_path: Path) -> None:
    slots = GpuSlots(tmp_path / "gpus.json", H100)
    one = slots.env(pod("a"), asking(2))
    assert one == {"CUDA_VISIBLE_DEVICES": "0,1", "NVIDIA_VISIBLE_DEVICES": "GPU-0,GPU-1"}
    assert slots.env(pod("b"), asking(1))["CUDA_VISIBLE_DEVICES"] == "2"
    with pytest.raises(StartRefused, match="2 GPUs are requested, and 1 of 4 are free"):
        slots.env(pod("c"), asking(2))


def test_container_without_a_request_sees_no_devices(tmp_path: Path) -> None:
    assert GpuSlots(tmp_path / "x", H100).env(pod(), asking(0))["CUDA_VISIBLE_DEVICES"] == ""
    assert GpuSlots(tmp_path / "x", []).env(pod(), asking(0)) == {}


def test_container_keeps_its_devices_until_the_pod_releases_them(tmp_path: Path) -> None:
    first = GpuSlots(tmp_path / "gpus.json", H100).env(pod("a"), asking(3))
    again = GpuSlots(tmp_path / "gpus.json", H100)
    assert again.env(pod("a"), asking(3)) == first
    again.release_others(["b"])
    assert again.env(pod("b"), asking(4))["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_containers_reuse_the_devices_of_init_containers(tmp_path: Path) -> None:
    slots = GpuSlots(tmp_path / "gpus.json", H100)
    whole = pod("a", init=4)
    assert slots.env(whole, whole["spec"]["initContainers"][0])["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    assert slots.env(whole, asking(4))["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_different_devices_are_identified_by_uuid(tmp_path: Path) -> None:
    assert GpuSlots(tmp_path / "x", MIXED).env(pod(), asking(1))["CUDA_VISIBLE_DEVICES"] == "GPU-0"


def test_labels() -> None:
    assert gpus.gpu_labels(H100) == {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": "4",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.memory": "81920",
    }
    assert set(gpus.gpu_labels([]).values()) == {None}


def test_node_and_programs_report_the_devices(cluster: Cluster) -> None:
    cluster.agent(devices=H100[:2])
    node = cluster.client.get(NODES, NODE_NAME)
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert node["metadata"]["labels"]["nvidia.com/gpu.count"] == "2"
    show = "echo -$CUDA_VISIBLE_DEVICES-"

    def run(name: str, **resources: Any) -> str:
        cluster.run("bash", "-c", show, name=name, container={"resources": resources})
        cluster.ended(name)
        return cluster.log(name)

    assert run("one", limits={"nvidia.com/gpu": "1"}) == "-0-\n"
    assert run("two", limits={"nvidia.com/gpu": "1"}) == "-1-\n"
    assert run("none") == "--\n"
    cluster.client.delete(PODS, "one", namespace="default", grace_seconds=0)
    cluster.api.wait(lambda: cluster.client.find(PODS, "one", namespace="default") is None)
    uids = [cluster.get("two")["metadata"]["uid"]]
    slots = cluster.root / "gpus.json"
    cluster.api.wait(lambda: [key.partition("/")[0] for key in json.loads(slots.read_text())] == uids)


def test_user_labels_are_kept(cluster: Cluster) -> None:
    cluster.agent(devices=H100).stop()
    cluster.client.patch(NODES, NODE_NAME, {"metadata": {"labels": {"mine": "1"}}})
    cluster.agent(devices=[])
    labels = cluster.client.get(NODES, NODE_NAME)["metadata"]["labels"]
    assert labels["mine"] == "1"
    assert not [name for name in labels if name.startswith("nvidia.com")]
