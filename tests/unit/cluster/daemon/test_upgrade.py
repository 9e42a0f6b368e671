from __future__ import annotations

import shutil
from pathlib import Path

from jupyter_trainjob.cluster.daemon.upgrade import PackageChange, PackageWatcher


def package(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "sub" / "module.py").write_text("a = 1\n")
    return folder


def test_unchanged_modules_are_no_change(tmp_path: Path) -> None:
    watcher = PackageWatcher(package(tmp_path / "p"), is_importable=lambda: True)
    (tmp_path / "p" / "__pycache__").mkdir()
    (tmp_path / "p" / "data.json").write_text("{}")
    assert [watcher.detect_change() for _ in range(3)] == [PackageChange.NONE] * 3


def test_change_counts_once_files_are_stable(tmp_path: Path) -> None:
    watcher = PackageWatcher(package(tmp_path / "p"), is_importable=lambda: True)
    (tmp_path / "p" / "sub" / "module.py").write_text("a = 22\n")
    assert watcher.detect_change() is PackageChange.NONE
    (tmp_path / "p" / "new.py").write_text("")
    assert watcher.detect_change() is PackageChange.NONE, "the files are still changing"
    assert watcher.detect_change() is PackageChange.REPLACED


def test_package_that_cannot_be_imported_is_ignored_until_it_changes(tmp_path: Path) -> None:
    trials: list[bool] = []

    def is_importable() -> bool:
        trials.append(len(trials) > 0)
        return trials[-1]

    watcher = PackageWatcher(package(tmp_path / "p"), is_importable=is_importable)
    (tmp_path / "p" / "sub" / "module.py").write_text("a = (\n")
    assert [watcher.detect_change() for _ in range(4)] == [PackageChange.NONE] * 4
    assert len(trials) == 1, "a trial import costs a second"
    (tmp_path / "p" / "sub" / "module.py").write_text("a = 333\n")
    assert [watcher.detect_change(), watcher.detect_change()] == [PackageChange.NONE, PackageChange.REPLACED]


def test_removed_package_is_gone(tmp_path: Path) -> None:
    watcher = PackageWatcher(package(tmp_path / "p"), is_importable=lambda: True)
    shutil.rmtree(tmp_path / "p")
    assert [watcher.detect_change(), watcher.detect_change()] == [PackageChange.NONE, PackageChange.GONE]
