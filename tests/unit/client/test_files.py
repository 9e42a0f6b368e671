"""What a user reads of the files that a job has written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from jupyter_trainjob.client.files import File, Files
from jupyter_trainjob.client.folder import Entry, Folder


class Counted(Folder):
    """Takes down how often it was listed."""

    listed: list[str] = []  # noqa: RUF012 - the folder itself is frozen

    def list(self, prefix: str = "") -> dict[str, Entry]:
        self.listed.append(prefix)
        return super().list(prefix)


class Broken(Folder):
    """Cannot be read."""

    def read(self, path: str) -> BinaryIO:
        raise OSError("gone")


def test_all_files_take_one_listing(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    for name in "abc":
        (tmp_path / "output" / name).write_text(name)
    files = Files(Counted(tmp_path))
    Counted.listed.clear()
    assert [name for name, _ in files.items()] == ["a", "b", "c"]
    assert [file.size for file in files.values()] == [1, 1, 1]
    assert len(Counted.listed) == 2


def test_what_lies_there_stays_until_the_new_one_is_read(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.write_text("mine")
    with pytest.raises(OSError, match="gone"):
        File("model", 1, 0.0, Broken(tmp_path)).save(target)
    assert target.read_text() == "mine"
    (tmp_path / "output").mkdir()
    (tmp_path / "output/model").write_text("new")
    assert File("model", 3, 0.0, Folder(tmp_path)).save(target).read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "output"]


def test_a_pipe_in_the_folder_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    os.mkfifo(tmp_path / "output/pipe")
    assert Folder(tmp_path).list("output") == {}
    with pytest.raises(OSError, match="no regular file"):
        Folder(tmp_path).read("output/pipe")
