"""What of a pod's folder is stored behind a URL, when, and what an attempt that follows gets of it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.worker import sync
from jupyter_trainjob.worker.captures import SetupError
from jupyter_trainjob.worker.stores import FORK, NoStore, Store
from jupyter_trainjob.worker.sync import Sync


class Place:
    """A pod's folder, and what it is kept equal with."""

    def __init__(self, url: str, local: Path, node: str = "0", again: tuple[float, ...] = ()) -> None:
        self.store, self.local = Store(url), local
        self.sync = Sync(self.store, local, node=node, again=again)

    def write(self, path: str, text: str) -> None:
        (self.local / path).parent.mkdir(parents=True, exist_ok=True)
        (self.local / path).write_text(text)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket of a server of this test's own."""
    server_of_moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = server_of_moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    known = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in known.items():
            patch.setenv(name, value)
        import fsspec
        from fsspec.config import conf, set_conf_env

        before = dict(conf)
        set_conf_env(conf)
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket/runs"
        conf.clear()
        conf.update(before)
    server.stop()


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    base = f"file://{tmp_path}/bucket" if request.param == "file" else request.getfixturevalue("s3")
    return Place(f"{base}/job-{tmp_path.name}", tmp_path / "pod")


def again(place: Place, tmp_path: Path) -> set[str]:
    """Return what the next attempt finds."""
    local = tmp_path / "next"
    Sync(place.store, local, node="0").down()
    return {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}


def test_a_file_is_stored_when_it_no_longer_changes(place: Place, tmp_path: Path) -> None:
    place.write("checkpoints/step-1", "x")
    place.sync.up()
    assert place.store.files() == {}
    place.write("checkpoints/step-1", "xy")
    place.sync.up()
    assert place.store.files() == {}
    place.sync.up()
    assert [stored.size for stored in place.store.files().values()] == [2]
    assert again(place, tmp_path) == {"checkpoints/step-1"}


def test_drafts_and_what_lies_elsewhere_stay(place: Place) -> None:
    for path in ("checkpoints/.step-1", "checkpoints/a.tmp", "checkpoints/b.part/x", "unpacked/c", "output/d"):
        place.write(path, "x")
    place.sync.up(all_of_it=True)
    assert list(place.store.files()) == ["output/d"]


def test_of_a_checkpoint_of_several_files_all_come_or_none(place: Place, tmp_path: Path) -> None:
    place.write("checkpoints/step-1/a", "x")
    place.write("checkpoints/step-1/b", "y")
    place.sync.up(all_of_it=True)
    whole = {"checkpoints/step-1/a", "checkpoints/step-1/b"}
    assert set(place.store.whole("checkpoints")) == whole
    # As if the pod had died on the way.
    place.write("half", "x")
    place.store.put(place.local / "half", "checkpoints/step-2/a")
    assert again(place, tmp_path) == whole
    place.store.remove("checkpoints/step-1/b")
    assert set(place.store.whole()) == set()


def test_what_the_cell_removes_is_removed_and_what_others_stored_stays(place: Place, tmp_path: Path) -> None:
    other = Place(place.store.url, tmp_path / "other", node="1")
    other.write("output/theirs", "x")
    other.sync.up(all_of_it=True)
    place.write("checkpoints/step-1/a", "x")
    place.write("output/ours", "x")
    place.sync.up(all_of_it=True)
    (place.local / "checkpoints/step-1/a").unlink()
    (place.local / "output/ours").unlink()
    place.sync.up(all_of_it=True)
    assert list(place.store.files()) == ["output/theirs"]


def test_what_was_fetched_keeps_its_order_and_is_not_stored_again(place: Place, tmp_path: Path) -> None:
    place.write("checkpoints/step-9", "x")
    place.sync.up(all_of_it=True)
    before = place.store.files()
    local = tmp_path / "next"
    then = Sync(place.store, local, node="0")
    then.down()
    assert (local / "checkpoints/step-9").stat().st_mtime == pytest.approx(before["checkpoints/step-9"].modified, abs=1)
    then.up(all_of_it=True)
    assert place.store.files() == before


def test_a_rank_that_is_told_to_end_stores_what_rests(place: Place) -> None:
    place.write("checkpoints/step-1", "x")
    place.sync.finish(writing=True)
    assert list(place.store.files()) == ["checkpoints/step-1"]


def test_a_path_that_leads_out_is_refused(place: Place) -> None:
    with pytest.raises(PermissionError, match="leads out"):
        place.store.open("../other")


def test_a_store_without_a_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="no library here can reach nowhere://"):
        Store("nowhere://a")
    monkeypatch.setenv("TRAINJOB_STORAGE", "nowhere://a")
    monkeypatch.setenv("TRAINJOB_FOLDER", str(tmp_path))
    with pytest.raises(SetupError, match="The image of this job cannot use --storage nowhere://a"):
        sync.begin(first=True, rank=0)


def test_a_claim_is_not_synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TRAINJOB_STORAGE", "pvc://disk/a")
    monkeypatch.setitem(os.environ, "TRAINJOB_FOLDER", "/nowhere")
    assert sync.begin(first=True, rank=0) is None


def test_a_store_that_fails_to_the_end_is_told_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = Place(f"file://{tmp_path}/file/job", tmp_path / "pod")
    place.write("output/a", "x")
    assert "NotADirectoryError" in place.sync.finish(writing=False)
    assert capsys.readouterr().err.count("cannot be stored now") == 1


def test_a_store_that_comes_back_in_time_gets_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = Place(f"file://{tmp_path}/file/job", tmp_path / "pod", again=(0.5, 10.0))
    place.write("output/a", "x")
    ended: list[str] = []
    ending = threading.Thread(target=lambda: ended.append(place.sync.finish(writing=False)))
    ending.start()
    (tmp_path / "file").unlink()
    ending.join()
    assert ended == [""]
    assert (tmp_path / "file/job/output/a").read_text() == "x"


def test_a_copied_checkpoint_that_is_written_anew_is_whole_again(place: Place, tmp_path: Path) -> None:
    place.write("checkpoints/last/a", "x")
    place.store.mark("last", {"checkpoints/last/a": 1}, by=FORK)
    place.store.put(place.local / "checkpoints/last/a", "checkpoints/last/a")
    assert again(place, tmp_path) == {"checkpoints/last/a"}
    place.write("checkpoints/last/a", "longer")
    assert place.sync.finish(writing=False) == ""
    assert again(place, tmp_path / "later") == {"checkpoints/last/a"}


def test_a_file_that_cannot_be_stored_keeps_no_other_from_it(place: Place, tmp_path: Path) -> None:
    place.write("output/a", "x")
    place.write("checkpoints/step-1", "y")
    (place.local / "output/unreadable").touch()
    os.utime(place.local / "output/unreadable", (1, 1))
    _break(place, "output/unreadable")
    assert "refused" in place.sync.finish(writing=False)
    assert again(place, tmp_path) == {"output/a", "checkpoints/step-1"}


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("checkpoints/step-1", "y")
    assert place.sync.finish(writing=False) == ""

    def full(path: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", full)
        with pytest.raises(OSError, match="Too many open files"):
            place.sync.up()
    assert again(place, tmp_path) == {"checkpoints/step-1"}


def _break(place: Place, refused: str) -> None:
    """Let the store refuse a file."""
    put = place.store.put

    def refusing(file: Path, path: str) -> None:
        if path == refused:
            raise PermissionError("refused")
        put(file, path)

    place.store.put = refusing  # type: ignore[method-assign]
