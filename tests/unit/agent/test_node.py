"""What the node says it has: no more than the control groups leave that the daemon itself is in."""

from __future__ import annotations

from pathlib import Path

from jupyter_trainjob.cluster.agent import bounds, node


def proc(tmp_path: Path, groups: str, kind: str, options: str = "rw") -> Path:
    """Return a folder as /proc/self of a process in ``tmp_path/groups``."""
    tree = tmp_path / "groups"
    tree.mkdir()
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(f"30 24 0:26 / {tree} rw - {kind} {kind} {options}\n")
    return tmp_path


def test_version_2_bounds_come_from_the_group_and_from_those_above(tmp_path: Path) -> None:
    own = proc(tmp_path, "0::/job/step\n", "cgroup2")
    step = tmp_path / "groups/job/step"
    step.mkdir(parents=True)
    (step / "memory.max").write_text("max\n")
    (step / "cpu.max").write_text("max 100000\n")
    (step.parent / "memory.max").write_text("4294967296\n")
    (step.parent / "cpu.max").write_text("150000 100000\n")
    assert bounds.memory(own) == [4 << 30]
    assert bounds.cpus(own) == [1.5]


def test_version_1_bounds_and_its_way_to_say_that_there_is_none(tmp_path: Path) -> None:
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
    assert bounds.memory(own) == [2 << 30]
    assert bounds.cpus(own) == [0.5]


def test_no_bounds_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert bounds.memory(tmp_path) == []
    assert bounds.cpus(tmp_path) == []


def test_labels_name_the_computer() -> None:
    labels = node.labels("n", [])
    assert labels["kubernetes.io/hostname"] == "n"
    assert labels["kubernetes.io/os"] == labels["beta.kubernetes.io/os"]
    assert labels["nvidia.com/gpu.present"] is None
