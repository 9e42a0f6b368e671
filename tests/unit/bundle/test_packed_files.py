"""Files that are sent with ``--files``."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from jupyter_trainjob.bundle import packed_files
from jupyter_trainjob.bundle.analysis.local_modules import JobModule
from jupyter_trainjob.errors import UsageError


def _packed(sent: dict[str, Path]) -> bytes:
    payload = packed_files.pack_files([], sent)
    assert payload is not None
    with payload.open() as data:
        return data.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    for name in ("here/a.csv", "here/data/b.csv", "here/data/deep/c.txt", "away/d.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return here


CHOSEN: dict[str, tuple[list[str], list[str]]] = {
    "a file": (["a.csv"], ["a.csv"]),
    "a folder": (["data"], ["data/b.csv", "data/deep/c.txt"]),
    "a pattern": (["**/*.csv"], ["a.csv", "data/b.csv"]),
    "one from elsewhere, by its name": (["../away/d.csv"], ["d.csv"]),
    "a folder from elsewhere": (["../away"], ["away/d.csv"]),
    "one twice": (["a.csv", "./a.csv"], ["a.csv"]),
}


@pytest.mark.parametrize(("patterns", "names"), CHOSEN.values(), ids=CHOSEN.keys())
def test_resolve_patterns(folder: Path, patterns: list[str], names: list[str]) -> None:
    assert sorted(packed_files.resolve_patterns(patterns, folder)) == names


def test_links_are_sent_under_their_own_names(folder: Path) -> None:
    (folder / "link.csv").symlink_to("../away/d.csv")
    (folder / "data" / "linked.csv").symlink_to("../../away/d.csv")
    sent = packed_files.resolve_patterns(["link.csv", "data"], folder)
    assert sorted(sent) == ["data/b.csv", "data/deep/c.txt", "data/linked.csv", "link.csv"]
    with zipfile.ZipFile(io.BytesIO(_packed(sent))) as archive:
        assert archive.read("files/link.csv") == archive.read("files/data/linked.csv") == b"away/d.csv"


def test_missing_file_is_rejected(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"--file b\.csv: there is no such file"):
        packed_files.resolve_patterns(["b.csv"], folder)


def test_archive_of_equal_files_is_equal(folder: Path) -> None:
    chosen = packed_files.resolve_patterns(["data"], folder)
    data = _packed(chosen)
    assert data == _packed(chosen)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["files/data/b.csv", "files/data/deep/c.txt"]
    assert packed_files.pack_files([], {}) is None


@pytest.mark.slow
def test_large_files_are_written_to_disk_while_they_are_read(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        for _ in range(48):
            file.write(os.urandom(2**20))
    tracemalloc.start()
    payload = packed_files.pack_files([], {"large.bin": large}, lambda: tmp_path / "drafts")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert payload is not None
    assert payload.size > 48 * 2**20
    assert most < 16 * 2**20, f"{most / 2**20:.0f} MiB for a file of 48"
    with payload.open() as data, zipfile.ZipFile(data) as archive, archive.open("files/large.bin") as copy:
        assert copy.read() == large.read_bytes()


def test_error_about_a_large_package_names_its_largest_files(tmp_path: Path) -> None:
    large = tmp_path / "weights.bin"
    with large.open("wb") as file:
        file.truncate(20 * 2**20)
    with pytest.raises(UsageError, match=r"The package net .*21\.0 MB, where 10 MB.*net/weights\.bin \(21\.0 MB\)"):
        packed_files.pack_files([JobModule("net", by_value=True, files=(("net/weights.bin", large),))], {})
