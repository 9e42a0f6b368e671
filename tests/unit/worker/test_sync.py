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

    def __init__(self, url: str, local: Path, node: str = "0", nodes: int = 1, again: tuple[float, ...] = ()) -> None:
        self.store, self.local = Store(url), local
        self.sync = Sync(self.store, local, node=node, nodes=nodes, again=again)

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


def nodes_of(tmp_path: Path, attempt: str = "first") -> tuple[Place, Place]:
    """Return the folders of both nodes of a job, fetched."""
    url = f"file://{tmp_path}/bucket/job"
    made = tuple(Place(url, tmp_path / attempt / node, node=node, nodes=2) for node in "01")
    for each in made:
        each.sync.down()
    return made[0], made[1]


def settle(*places: Place) -> None:
    """Let each look twice, and once more at what the others have stored then."""
    for _ in range(3):
        for each in places:
            each.sync.up()


def test_a_checkpoint_that_two_nodes_write_is_whole_when_both_have_stored_their_part(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    two.write("checkpoints/step-1/b", "y")
    one.sync.up(all_of_it=True)
    assert one.store.whole() == {}
    two.sync.up(all_of_it=True)
    assert set(one.store.whole()) == {"checkpoints/step-1/a", "checkpoints/step-1/b"}


def test_a_checkpoint_that_one_of_two_nodes_writes_is_whole_when_the_other_says_it_has_none(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    settle(one, two)
    assert set(one.store.whole()) == {"checkpoints/step-1/a"}
    (one.local / "checkpoints/step-1/a").unlink()
    settle(one, two)
    assert one.store.files() == {}


def test_what_a_node_stores_last_is_whole_although_the_other_has_ended(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    two.sync.finish(writing=False)
    one.write("checkpoints/step-1/a", "x")
    one.sync.finish(writing=False)
    for attempt in ("second", "third"):
        one, two = nodes_of(tmp_path, attempt)
        assert (two.local / "checkpoints/step-1/a").is_file()


def test_a_node_that_is_still_writing_keeps_what_the_other_has_written_anew_from_counting(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/last/a", "x")
    two.write("checkpoints/last/b", "y")
    settle(one, two)
    assert one.store.whole()
    two.write("checkpoints/last/b", "z!")
    two.sync.up()
    one.write("checkpoints/last/a", "y!")
    settle(one)
    assert one.store.whole() == {}
    settle(two)
    assert len(one.store.whole()) == 2


def test_half_a_checkpoint_of_an_earlier_attempt_does_not_become_whole_in_the_next(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    settle(one)
    # Now the other node dies.
    one, two = nodes_of(tmp_path, "second")
    assert not (one.local / "checkpoints/step-1").exists()
    settle(one, two)
    assert one.store.whole() == {}
    one.write("checkpoints/step-1/a", "x")
    two.write("checkpoints/step-1/b", "x")
    settle(one, two)
    assert len(one.store.whole()) == 2


def test_a_checkpoint_of_both_nodes_stays_whole_when_one_of_them_writes_into_it_again(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/last/a", "x")
    two.write("checkpoints/last/b", "y")
    settle(one, two)
    one, two = nodes_of(tmp_path, "second")
    one.write("checkpoints/last/a", "longer")
    settle(one, two)
    two.write("checkpoints/last/b", "longer too")
    settle(one, two)
    assert {path: stored.size for path, stored in one.store.whole().items()} == {
        "checkpoints/last/a": 6,
        "checkpoints/last/b": 10,
    }


def test_what_the_folder_has_newer_wins_when_the_container_starts_again(tmp_path: Path) -> None:
    place = Place(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    for path in ("checkpoints/last", "checkpoints/step/a", "output/old"):
        place.write(path, "old")
    place.sync.up(all_of_it=True)
    for path in ("checkpoints/last", "checkpoints/step/a"):
        place.write(path, "newer")
        os.utime(place.local / path, (2e9, 2e9))
    then = Place(place.store.url, place.local)
    then.sync.down()
    assert (place.local / "checkpoints/last").read_text() == "newer"
    assert (place.local / "checkpoints/step/a").read_text() == "newer"
    then.sync.up(all_of_it=True)
    assert {stored.size for path, stored in place.store.whole("checkpoints").items()} == {5}
    assert place.store.whole()["output/old"].size == 3


def test_other_ranks_wait_for_the_fetch_of_this_run_of_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "TRAINJOB_STORAGE", f"file://{tmp_path}/bucket")
    monkeypatch.setitem(os.environ, "TRAINJOB_FOLDER", str(tmp_path))
    monkeypatch.setattr(sync, "READY_TIMEOUT", 0.2)
    (tmp_path / f".ready-{os.getppid()}").touch()
    with pytest.raises(SetupError, match="did not fetch"):
        sync.begin(first=False, rank=1)


def test_a_file_that_somebody_has_open_for_writing_is_not_stored_however_long_it_rests(tmp_path: Path) -> None:
    place = Place(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    place.write("checkpoints/step-1", "")
    with (place.local / "checkpoints/step-1").open("w") as file:
        file.write("half")
        file.flush()
        settle(place)
        assert place.store.whole() == {}
    settle(place)
    assert place.store.whole()["checkpoints/step-1"].size == 4


def test_a_checkpoint_that_grows_after_a_pause_is_whole_again_when_it_rests(tmp_path: Path) -> None:
    place = Place(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    place.write("checkpoints/step-1/a", "x")
    settle(place)
    place.write("checkpoints/step-1/b", "y")
    settle(place)
    (place.local / "checkpoints/step-1/a").unlink()
    settle(place)
    assert set(place.store.whole()) == {"checkpoints/step-1/b"}


def test_links_come_back_and_those_that_lead_out_as_what_they_point_to(place: Place, tmp_path: Path) -> None:
    place.write("checkpoints/step-1/.metadata", "x")
    (place.local / "checkpoints/latest").symlink_to("step-1")
    (place.local / "checkpoints/absolute").symlink_to(place.local / "checkpoints/step-1")
    (place.local / "checkpoints/dangling").symlink_to("step-2")
    (tmp_path / "elsewhere").write_text("y")
    (place.local / "checkpoints/step-1/weights").symlink_to(tmp_path / "elsewhere")
    place.sync.finish(writing=False)
    local = tmp_path / "next"
    then = Sync(place.store, local, node="0")
    then.down()
    checkpoints = local / "checkpoints"
    assert (checkpoints / "latest").readlink() == (checkpoints / "absolute").readlink() == Path("step-1")
    assert (checkpoints / "latest/weights").read_text() == "y"
    assert (checkpoints / "latest/.metadata").read_text() == "x"
    assert not os.path.lexists(checkpoints / "dangling")
    (checkpoints / "latest").unlink()
    then.up(all_of_it=True)
    assert set(place.store.links()) == {"checkpoints/absolute"}


def _break(place: Place, refused: str) -> None:
    """Let the store refuse a file."""
    put = place.store.put

    def refusing(file: Path, path: str) -> None:
        if path == refused:
            raise PermissionError("refused")
        put(file, path)

    place.store.put = refusing  # type: ignore[method-assign]
