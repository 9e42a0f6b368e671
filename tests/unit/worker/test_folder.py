"""The job's folder: where it is, what a checkpoint is, and that new ones are told of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_trainjob.worker import folder, report
from jupyter_trainjob.worker.protocol import FOLDER_ENV

from .conftest import Notebook

STEPS: dict[str, int | None] = {
    "step-400.pt": 400,
    "epoch=3-step=1200.ckpt": 1200,
    "checkpoint-40": 40,
    "model_v2": 2,
    "latest": None,
}


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_the_last_number_of_a_name_is_its_step(name: str, step: int | None) -> None:
    assert folder.step_of(name) == step


def test_what_is_still_being_written_is_no_checkpoint(tmp_path: Path) -> None:
    for name in ("step-1", ".step-2", "step-3.tmp", "step-4.part"):
        (tmp_path / name).touch()
    assert [entry.name for entry in folder.entries(tmp_path)] == ["step-1"]
    assert list(folder.entries(tmp_path / "not there")) == []


def test_both_folders_lie_in_that_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_ENV, str(tmp_path))
    assert folder.checkpoint_dir() == tmp_path / "checkpoints"
    assert folder.output_dir().is_dir()


def test_in_the_notebook_they_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER_ENV, raising=False)
    assert folder.checkpoint_dir() == tmp_path / "checkpoints"
    report.attach([])
    try:
        assert not folder.output_dir().is_relative_to(tmp_path)
    finally:
        report.detach()


def test_a_job_without_a_folder_has_one_of_its_pod(notebook: Notebook) -> None:
    cell = "(checkpoint_dir() / 'a').write_text('x')\nstr(checkpoint_dir())"
    assert notebook.job(cell, env={"TMPDIR": "/tmp"}).result == "/tmp/trainjob/checkpoints"


def test_new_checkpoints_are_told_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_ENV, str(tmp_path))
    told: list[str] = []
    now = 0.0
    watch = folder.Watch(lambda kind, body: told.append(f"{kind} {body.decode()}"), clock=lambda: now)
    watch.look()
    assert told == []
    place = folder.checkpoint_dir()
    for number in (1, 2):
        (place / f"step-{number}").touch()
        os.utime(place / f"step-{number}", (number, number))
    watch.look()
    assert told == [], "not so soon"
    now = 5.0
    watch.look()
    watch.look(now=True)
    assert len(told) == 1
    assert told[0].startswith("checkpoint ")
    assert '"name":"step-2"' in told[0].replace(" ", "")
