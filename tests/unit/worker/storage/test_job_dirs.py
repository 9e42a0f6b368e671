"""The job's folder: its location, the detection of checkpoints, and messages about new ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_trainjob.worker import report
from jupyter_trainjob.worker.protocol import FOLDER_ENV
from jupyter_trainjob.worker.storage import job_dirs
from tests.unit.worker.conftest import Notebook

STEPS: dict[str, int | None] = {
    "step-400.pt": 400,
    "epoch=3-step=1200.ckpt": 1200,
    "checkpoint-40": 40,
    "model_v2": 2,
    "latest": None,
}


@pytest.mark.parametrize(("name", "step"), STEPS.items())
def test_step_is_the_last_number_of_a_name(name: str, step: int | None) -> None:
    assert job_dirs.step_of(name) == step


def test_unfinished_files_are_no_checkpoints(tmp_path: Path) -> None:
    for name in ("step-1", ".step-2", "step-3.tmp", "step-4.part"):
        (tmp_path / name).touch()
    assert [entry.name for entry in job_dirs.list_checkpoints(tmp_path)] == ["step-1"]
    assert list(job_dirs.list_checkpoints(tmp_path / "not there")) == []


def test_checkpoint_and_output_folders_are_in_the_jobs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_ENV, str(tmp_path))
    assert job_dirs.checkpoint_dir() == tmp_path / "checkpoints"
    assert job_dirs.output_dir().is_dir()


def test_folders_in_a_notebook_are_next_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER_ENV, raising=False)
    assert job_dirs.checkpoint_dir() == tmp_path / "checkpoints"
    report.attach([])
    try:
        assert not job_dirs.output_dir().is_relative_to(tmp_path)
    finally:
        report.detach()


def test_job_without_a_folder_uses_one_in_its_pod(notebook: Notebook) -> None:
    cell = "(checkpoint_dir() / 'a').write_text('x')\nstr(checkpoint_dir())"
    assert notebook.job(cell, env={"TMPDIR": "/tmp"}).result == "/tmp/trainjob/checkpoints"


def test_new_checkpoints_are_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_ENV, str(tmp_path))
    messages: list[str] = []
    now = 0.0
    watch = job_dirs.CheckpointWatcher(lambda kind, body: messages.append(f"{kind} {body.decode()}"), clock=lambda: now)
    watch.poll()
    assert messages == []
    folder = job_dirs.checkpoint_dir()
    for number in (1, 2):
        (folder / f"step-{number}").touch()
        os.utime(folder / f"step-{number}", (number, number))
    watch.poll()
    assert messages == [], "not so soon"
    now = 5.0
    watch.poll()
    watch.poll(now=True)
    assert len(messages) == 1
    assert messages[0].startswith("checkpoint ")
    assert '"name":"step-2"' in messages[0].replace(" ", "")
