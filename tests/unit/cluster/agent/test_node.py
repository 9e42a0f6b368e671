"""The capacity that a node reports, within the control groups of the daemon."""

from __future__ import annotations

from pathlib import Path

from jupyter_trainjob.cluster.agent import node
from jupyter_trainjob.cluster.agent.limits import inherited_limits


def proc(tmp_path: Path, groups: str, kind: str, options: str = "rw") -> Path:
    """Return a folder as /proc/self of a process in ``tmp_path/groups``."""
    tree = tmp_path / "groups"
    tree.mkdir()
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(f"30 24 0:26 / {tree} rw - {kind} {kind} {options}\n")
    return tmp_path


def test_version_2_limits_are_those_of_the_group_and_its_parents(tmp_path: Path) -> None:
    own = proc(tmp_path, "0::/job/step\n", "cgroup2")
    step = tmp_path / "groups/job/step"
    step.mkdir(parents=True)
    (step / "memory.max").write_text("max\n")
    (step / "cpu.max").write_text("max 100000\n")
    (step.parent / "memory.max").write_text("4294967296\n")
    (step.parent / "cpu.max").write_text("150000 100000\n")
    assert inherited_limits.memory_limits(own) == [4 << 30]
    assert inherited_limits.cpu_limits(own) == [1.5]


def test_version_1_limits_and_its_value_for_unlimited(tmp_path: Path) -> None:
    own = proc(tmp_path, "4:memory,cpu:/job\n", "cgroup", "rw,memory,cpu")
    job = tmp_path / "groups/job"
    job.mkdir()
    (job.parent / "cgroup.procs").touch()
    (job / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (job.parent / "memory.limit_in_bytes").write_text("2147483648\n")
    (job / "cpu.cfs_quota_us").write_text("50000\n")
    (job / "cpu.cfs_period_us").write_text("100000\n")
    (job.parent / "cpu.cfs_quota_us").write_text("-1\n")
    (job.parent / "cpu.cfs_period_us").write_text("100000\n")
    assert inherited_limits.memory_limits(own) == [2 << 30]
    assert inherited_limits.cpu_limits(own) == [0.5]


def test_no_limits_without_control_groups(tmp_path: Path) -> None:
    assert inherited_limits.memory_limits(tmp_path) == []
    assert inherited_limits.cpu_limits(tmp_path) == []


def test_labels_name_the_computer() -> None:
    labels = node.node_labels("n", [])
    assert labels["kubernetes.io/hostname"] == "n"
    assert labels["kubernetes.io/os"] == labels["beta.kubernetes.io/os"]
    assert labels["nvidia.com/gpu.present"] is None
