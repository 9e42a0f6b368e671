"""Reading the files that a job has written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from jupyter_trainjob.client.results.job_folder import FileEntry, LocalFolder
from jupyter_trainjob.client.results.output_files import File, Files


class Counted(LocalFolder):
    """A store that counts its listings."""

    listed: list[str] = []  # noqa: RUF012 - the folder itself is frozen

    def list(self, prefix: str = "") -> dict[str, FileEntry]:
        self.listed.append(prefix)
        return super().list(prefix)


class Broken(LocalFolder):
    """A store that fails on every read."""

    def read(self, path: str) -> BinaryIO:
        raise OSError("gone")


def test_items_and_values_list_the_folder_once(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    for name in "abc":
        (tmp_path / "output" / name).write_text(name)
    files = Files(Counted(tmp_path))
    Counted.listed.clear()
    assert [name for name, _ in files.items()] == ["a", "b", "c"]
    assert [file.size for file in files.values()] == [1, 1, 1]
    assert len(Counted.listed) == 2


def test_save_replaces_an_existing_file_only_after_reading_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_text("mine")
    with pytest.raises(OSError, match="gone"):
        File("model", 1, 0.0, Broken(tmp_path)).save(target)
    assert target.read_text() == "mine"
    (tmp_path / "output").mkdir()
    (tmp_path / "output/model").write_text("new")
    assert File("model", 3, 0.0, LocalFolder(tmp_path)).save(target).read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "output"]


def test_pipe_in_the_folder_is_not_listed_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    os.mkfifo(tmp_path / "output/pipe")
    assert LocalFolder(tmp_path).list("output") == {}
    with pytest.raises(OSError, match="not a regular file"):
        LocalFolder(tmp_path).read("output/pipe")
