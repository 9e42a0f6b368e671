"""The checkpoints that a fork starts with, and the values that it can change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.bundle.bundle_copy import LinkedFiles
from jupyter_trainjob.client.reproduce import fork
from jupyter_trainjob.client.results.job_folder import StoredFolder
from jupyter_trainjob.worker.manifest import CELL, FUNCTION, Value
from jupyter_trainjob.worker.storage.job_dirs import CheckpointEntry

FOUND = [
    CheckpointEntry("step-10", 10, 1.0),
    CheckpointEntry("step-20", 20, 2.0),
    CheckpointEntry("step-20.opt", 20, 2.5),
    CheckpointEntry("config", None, 0.5),
    CheckpointEntry("step-30", 30, 3.0),
    CheckpointEntry("latest", None, 3.0),
]
CHOSEN: dict[str, tuple[int | None, list[str]]] = {
    "all without a step": (None, [entry.name for entry in FOUND]),
    "up to a step, with others of that age": (20, ["step-10", "step-20", "step-20.opt", "config"]),
    "up to the last": (30, [entry.name for entry in FOUND]),
}


@pytest.mark.parametrize(("step", "names"), CHOSEN.values(), ids=CHOSEN.keys())
def test_checkpoints_up_to_a_step(step: int | None, names: list[str]) -> None:
    assert [entry.name for entry in fork._up_to(FOUND, step, job="a")] == names


def test_missing_step_raises_with_the_existing_steps() -> None:
    with pytest.raises(errors.UsageError, match="a has no checkpoint of step 15: available are steps 10, 20, 30"):
        fork._up_to(FOUND, 15, job="a")
    with pytest.raises(errors.UsageError, match="it has none with a step in its name"):
        fork._up_to(FOUND[3:4], 15, job="a")


def manifest(kind: str, *names: str) -> Any:
    class Some:
        values = tuple(Value(name, "int", 1) for name in names)

    Some.kind = kind  # type: ignore[attr-defined]
    return Some


def test_only_captured_values_can_be_changed() -> None:
    fork._check_names({"lr": 1}, manifest(CELL, "lr", "Net"))
    with pytest.raises(errors.UsageError, match=r"fork\(rate=…\): that is neither an option nor.*Values: lr, Net"):
        fork._check_names({"rate": 1}, manifest(CELL, "lr", "Net"))
    fork._check_names({"lr": 1}, manifest(FUNCTION, "train", "argument 1", "argument lr", "the call"))
    with pytest.raises(errors.UsageError, match="Values: lr"):
        fork._check_names({"train": 1}, manifest(FUNCTION, "train", "argument lr", "the call"))
    with pytest.raises(errors.UsageError, match=r"Values: lr. Positional arguments of the function have no"):
        fork._check_names({"x": 1}, manifest(FUNCTION, "train", "argument 1", "argument lr", "the call"))


def test_unpicklable_value_is_named() -> None:
    with pytest.raises(errors.CaptureError, match=r"lr\['file'\] cannot be sent"), open("/dev/null") as file:  # noqa: PTH123
        fork._pickled({"lr": {"file": file}})
    assert fork._pickled({}) == b""


def test_fork_does_not_overwrite_checkpoints_of_the_older_job(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "checkpoints" / "step-10").mkdir(parents=True)
    for name in ("last.pt", "step-10/part"):
        (old / "checkpoints" / name).write_text("of the old")
    (old / "checkpoints" / "newest").symlink_to("step-10")
    copied = {new / "checkpoints" / name: old / "checkpoints" / name for name in ("last.pt", "step-10", "newest")}
    fork.ForkedFiles(LinkedFiles({new: old}), copied).write_files()

    for name in ("last.pt", "newest/part"):
        assert (new / "checkpoints" / name).read_text() == "of the old"
        (new / "checkpoints" / name).write_text("of the new")
        assert (old / "checkpoints" / name).read_text() == "of the old"


def test_links_to_copied_checkpoints_in_remote_storage_are_copied(tmp_path: Path) -> None:
    old, new = (StoredFolder(f"file://{tmp_path}/{name}") for name in ("old", "new"))
    (tmp_path / "file").write_text("x")
    for step in ("step-1", "step-2"):
        old.store().put(tmp_path / "file", f"checkpoints/{step}")
    old.store().link("checkpoints/first", "step-1")
    old.store().link("checkpoints/latest", "step-2")
    fork.StoredFiles(old, new, frozenset({"step-1"})).write_files()
    assert set(new.list()) == {"checkpoints/step-1"}
    assert new.store().links() == {"checkpoints/first": "step-1"}
