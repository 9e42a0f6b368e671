from __future__ import annotations

import shutil
from pathlib import Path

from jupyter_trainjob.cluster.upgrade import Change, Watcher


def package(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "sub" / "module.py").write_text("a = 1\n")
    return folder


def test_a_package_that_stays_is_no_change(tmp_path: Path) -> None:
    watcher = Watcher(package(tmp_path / "p"), works=lambda: True)
    (tmp_path / "p" / "__pycache__").mkdir()
    (tmp_path / "p" / "data.json").write_text("{}")
    assert [watcher.look() for _ in range(3)] == [Change.NONE] * 3


def test_a_change_counts_once_it_has_come_to_rest(tmp_path: Path) -> None:
    watcher = Watcher(package(tmp_path / "p"), works=lambda: True)
    (tmp_path / "p" / "sub" / "module.py").write_text("a = 22\n")
    assert watcher.look() is Change.NONE
    (tmp_path / "p" / "new.py").write_text("")
    assert watcher.look() is Change.NONE, "the installer is still at work"
    assert watcher.look() is Change.REPLACED


def test_a_package_that_cannot_be_imported_replaces_nobody_until_it_changes_again(tmp_path: Path) -> None:
    asked: list[bool] = []

    def works() -> bool:
        asked.append(len(asked) > 0)
        return asked[-1]

    watcher = Watcher(package(tmp_path / "p"), works=works)
    (tmp_path / "p" / "sub" / "module.py").write_text("a = (\n")
    assert [watcher.look() for _ in range(4)] == [Change.NONE] * 4
    assert len(asked) == 1, "a trial costs a second; one is enough"
    (tmp_path / "p" / "sub" / "module.py").write_text("a = 333\n")
    assert [watcher.look(), watcher.look()] == [Change.NONE, Change.REPLACED]


def test_a_package_that_was_removed_is_gone(tmp_path: Path) -> None:
    watcher = Watcher(package(tmp_path / "p"), works=lambda: True)
    shutil.rmtree(tmp_path / "p")
    assert [watcher.look(), watcher.look()] == [Change.NONE, Change.GONE]
