"""Synchronization of a pod's folder with a store: uploads, their time, and downloads by the next attempt."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.worker.captured_values import SetupError
from jupyter_trainjob.worker.storage import storage_sync
from jupyter_trainjob.worker.storage.fsspec_store import FORK, FsspecStore, NoStoreLibrary
from jupyter_trainjob.worker.storage.storage_sync import StorageSync
from tests import needs


class SyncedPod:
    """A pod's folder and the store that it is synchronized with."""

    def __init__(self, url: str, local: Path, node: str = "0", nodes: int = 1, again: tuple[float, ...] = ()) -> None:
        self.store, self.local = FsspecStore(url), local
        self.sync = StorageSync(self.store, local, node=node, nodes=nodes, retry_delays=again)

    def write(self, path: str, text: str) -> None:
        (self.local / path).parent.mkdir(parents=True, exist_ok=True)
        (self.local / path).write_text(text)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket of a private server."""
    server_of_moto = needs.module("moto.server")
    needs.module("s3fs")
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
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> SyncedPod:
    base = f"file://{tmp_path}/bucket" if request.param == "file" else request.getfixturevalue("s3")
    return SyncedPod(f"{base}/job-{tmp_path.name}", tmp_path / "pod")


def next_files(pod: SyncedPod, tmp_path: Path) -> set[str]:
    """Return the files that the next attempt downloads."""
    local = tmp_path / "next"
    StorageSync(pod.store, local, node="0").download()
    return {path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file()}


def test_file_is_stored_when_it_no_longer_changes(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("checkpoints/step-1", "x")
    pod.sync.upload()
    assert pod.store.files() == {}
    pod.write("checkpoints/step-1", "xy")
    pod.sync.upload()
    assert pod.store.files() == {}
    pod.sync.upload()
    assert [stored.size for stored in pod.store.files().values()] == [2]
    assert next_files(pod, tmp_path) == {"checkpoints/step-1"}


def test_drafts_and_files_of_other_folders_are_not_stored(pod: SyncedPod) -> None:
    for path in ("checkpoints/.step-1", "checkpoints/a.tmp", "checkpoints/b.part/x", "unpacked/c", "output/d"):
        pod.write(path, "x")
    pod.sync.upload(final=True)
    assert list(pod.store.files()) == ["output/d"]


def test_checkpoint_of_several_files_is_downloaded_completely_or_not_at_all(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("checkpoints/step-1/a", "x")
    pod.write("checkpoints/step-1/b", "y")
    pod.sync.upload(final=True)
    whole = {"checkpoints/step-1/a", "checkpoints/step-1/b"}
    assert set(pod.store.complete_files("checkpoints")) == whole
    # As if the pod had died on the way.
    pod.write("half", "x")
    pod.store.put(pod.local / "half", "checkpoints/step-2/a")
    assert next_files(pod, tmp_path) == whole
    pod.store.remove("checkpoints/step-1/b")
    assert set(pod.store.complete_files()) == set()


def test_removed_files_are_removed_from_the_store_and_files_of_others_kept(pod: SyncedPod, tmp_path: Path) -> None:
    other = SyncedPod(pod.store.url, tmp_path / "other", node="1")
    other.write("output/theirs", "x")
    other.sync.upload(final=True)
    pod.write("checkpoints/step-1/a", "x")
    pod.write("output/ours", "x")
    pod.sync.upload(final=True)
    (pod.local / "checkpoints/step-1/a").unlink()
    (pod.local / "output/ours").unlink()
    pod.sync.upload(final=True)
    assert list(pod.store.files()) == ["output/theirs"]


def test_downloaded_files_keep_their_order_and_are_not_uploaded_again(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("checkpoints/step-9", "x")
    pod.sync.upload(final=True)
    before = pod.store.files()
    local = tmp_path / "next"
    then = StorageSync(pod.store, local, node="0")
    then.download()
    assert (local / "checkpoints/step-9").stat().st_mtime == pytest.approx(before["checkpoints/step-9"].modified, abs=1)
    then.upload(final=True)
    assert pod.store.files() == before


def test_terminated_rank_stores_settled_files(pod: SyncedPod) -> None:
    pod.write("checkpoints/step-1", "x")
    pod.sync.finish(writing=True)
    assert list(pod.store.files()) == ["checkpoints/step-1"]


def test_path_outside_the_store_is_rejected(pod: SyncedPod) -> None:
    with pytest.raises(PermissionError, match="leads out"):
        pod.store.open("../other")


def test_missing_store_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NoStoreLibrary, match="no installed library can access nowhere://"):
        FsspecStore("nowhere://a")
    monkeypatch.setenv("TRAINJOB_STORAGE", "nowhere://a")
    monkeypatch.setenv("TRAINJOB_FOLDER", str(tmp_path))
    with pytest.raises(SetupError, match="The image of this job cannot use --storage nowhere://a"):
        storage_sync.start_sync(first=True, rank=0)


def test_claim_is_not_synchronised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TRAINJOB_STORAGE", "pvc://disk/a")
    monkeypatch.setitem(os.environ, "TRAINJOB_FOLDER", "/nowhere")
    assert storage_sync.start_sync(first=True, rank=0) is None


def test_failing_store_is_reported_at_the_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pod = SyncedPod(f"file://{tmp_path}/file/job", tmp_path / "pod")
    pod.write("output/a", "x")
    assert "NotADirectoryError" in pod.sync.finish(writing=False)
    assert capsys.readouterr().err.count("cannot be stored at the moment") == 1


def test_store_that_recovers_in_time_gets_all_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pod = SyncedPod(f"file://{tmp_path}/file/job", tmp_path / "pod", again=(0.5, 10.0))
    pod.write("output/a", "x")
    ended: list[str] = []
    ending = threading.Thread(target=lambda: ended.append(pod.sync.finish(writing=False)))
    ending.start()
    (tmp_path / "file").unlink()
    ending.join()
    assert ended == [""]
    assert (tmp_path / "file/job/output/a").read_text() == "x"


def test_rewritten_copy_of_a_checkpoint_is_complete(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("checkpoints/last/a", "x")
    pod.store.mark("last", {"checkpoints/last/a": 1}, by=FORK)
    pod.store.put(pod.local / "checkpoints/last/a", "checkpoints/last/a")
    assert next_files(pod, tmp_path) == {"checkpoints/last/a"}
    pod.write("checkpoints/last/a", "longer")
    assert pod.sync.finish(writing=False) == ""
    assert next_files(pod, tmp_path / "later") == {"checkpoints/last/a"}


def test_file_that_cannot_be_stored_does_not_block_others(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("output/a", "x")
    pod.write("checkpoints/step-1", "y")
    (pod.local / "output/unreadable").touch()
    os.utime(pod.local / "output/unreadable", (1, 1))
    _break(pod, "output/unreadable")
    assert "refused" in pod.sync.finish(writing=False)
    assert next_files(pod, tmp_path) == {"output/a", "checkpoints/step-1"}


def test_unreadable_folder_is_not_treated_as_empty(
    pod: SyncedPod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod.write("checkpoints/step-1", "y")
    assert pod.sync.finish(writing=False) == ""

    def full(path: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", full)
        with pytest.raises(OSError, match="Too many open files"):
            pod.sync.upload()
    assert next_files(pod, tmp_path) == {"checkpoints/step-1"}


def nodes_of(tmp_path: Path, attempt: str = "first") -> tuple[SyncedPod, SyncedPod]:
    """Return both nodes of a job after their download."""
    url = f"file://{tmp_path}/bucket/job"
    synced = tuple(SyncedPod(url, tmp_path / attempt / node, node=node, nodes=2) for node in "01")
    for pod in synced:
        pod.sync.download()
    return synced[0], synced[1]


def settle(*pods: SyncedPod) -> None:
    """Upload twice from each pod, and once more after the others have stored their files."""
    for _ in range(3):
        for pod in pods:
            pod.sync.upload()


def test_checkpoint_of_two_nodes_is_complete_when_both_have_stored_their_parts(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    two.write("checkpoints/step-1/b", "y")
    one.sync.upload(final=True)
    assert one.store.complete_files() == {}
    two.sync.upload(final=True)
    assert set(one.store.complete_files()) == {"checkpoints/step-1/a", "checkpoints/step-1/b"}


def test_checkpoint_of_one_node_is_complete_after_the_empty_marker_of_the_other(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    settle(one, two)
    assert set(one.store.complete_files()) == {"checkpoints/step-1/a"}
    (one.local / "checkpoints/step-1/a").unlink()
    settle(one, two)
    assert one.store.files() == {}


def test_last_checkpoint_of_a_node_is_complete_after_the_other_has_ended(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    two.sync.finish(writing=False)
    one.write("checkpoints/step-1/a", "x")
    one.sync.finish(writing=False)
    for attempt in ("second", "third"):
        one, two = nodes_of(tmp_path, attempt)
        assert (two.local / "checkpoints/step-1/a").is_file()


def test_pending_marker_keeps_a_rewritten_checkpoint_incomplete(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/last/a", "x")
    two.write("checkpoints/last/b", "y")
    settle(one, two)
    assert one.store.complete_files()
    two.write("checkpoints/last/b", "z!")
    two.sync.upload()
    one.write("checkpoints/last/a", "y!")
    settle(one)
    assert one.store.complete_files() == {}
    settle(two)
    assert len(one.store.complete_files()) == 2


def test_incomplete_checkpoint_of_an_earlier_attempt_stays_incomplete(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/step-1/a", "x")
    settle(one)
    # Now the other node dies.
    one, two = nodes_of(tmp_path, "second")
    assert not (one.local / "checkpoints/step-1").exists()
    settle(one, two)
    assert one.store.complete_files() == {}
    one.write("checkpoints/step-1/a", "x")
    two.write("checkpoints/step-1/b", "x")
    settle(one, two)
    assert len(one.store.complete_files()) == 2


def test_shared_checkpoint_stays_complete_when_one_node_rewrites_its_part(tmp_path: Path) -> None:
    one, two = nodes_of(tmp_path)
    one.write("checkpoints/last/a", "x")
    two.write("checkpoints/last/b", "y")
    settle(one, two)
    one, two = nodes_of(tmp_path, "second")
    one.write("checkpoints/last/a", "longer")
    settle(one, two)
    two.write("checkpoints/last/b", "longer too")
    settle(one, two)
    assert {path: stored.size for path, stored in one.store.complete_files().items()} == {
        "checkpoints/last/a": 6,
        "checkpoints/last/b": 10,
    }


def test_newer_local_files_are_kept_when_the_container_restarts(tmp_path: Path) -> None:
    pod = SyncedPod(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    for path in ("checkpoints/last", "checkpoints/step/a", "output/old"):
        pod.write(path, "old")
    pod.sync.upload(final=True)
    for path in ("checkpoints/last", "checkpoints/step/a"):
        pod.write(path, "newer")
        os.utime(pod.local / path, (2e9, 2e9))
    then = SyncedPod(pod.store.url, pod.local)
    then.sync.download()
    assert (pod.local / "checkpoints/last").read_text() == "newer"
    assert (pod.local / "checkpoints/step/a").read_text() == "newer"
    then.sync.upload(final=True)
    assert {stored.size for path, stored in pod.store.complete_files("checkpoints").items()} == {5}
    assert pod.store.complete_files()["output/old"].size == 3


def test_other_ranks_wait_for_the_fetch_of_this_run_of_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(os.environ, "TRAINJOB_STORAGE", f"file://{tmp_path}/bucket")
    monkeypatch.setitem(os.environ, "TRAINJOB_FOLDER", str(tmp_path))
    monkeypatch.setattr(storage_sync, "READY_TIMEOUT", 0.2)
    (tmp_path / f".ready-{os.getppid()}").touch()
    with pytest.raises(SetupError, match="did not fetch"):
        storage_sync.start_sync(first=False, rank=1)


def test_file_open_for_writing_is_not_stored(tmp_path: Path) -> None:
    pod = SyncedPod(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    pod.write("checkpoints/step-1", "")
    with (pod.local / "checkpoints/step-1").open("w") as file:
        file.write("half")
        file.flush()
        settle(pod)
        assert pod.store.complete_files() == {}
    settle(pod)
    assert pod.store.complete_files()["checkpoints/step-1"].size == 4


def test_checkpoint_that_grows_after_a_pause_is_complete_when_it_settles(tmp_path: Path) -> None:
    pod = SyncedPod(f"file://{tmp_path}/bucket/job", tmp_path / "pod")
    pod.write("checkpoints/step-1/a", "x")
    settle(pod)
    pod.write("checkpoints/step-1/b", "y")
    settle(pod)
    (pod.local / "checkpoints/step-1/a").unlink()
    settle(pod)
    assert set(pod.store.complete_files()) == {"checkpoints/step-1/b"}


def test_links_are_restored_and_outside_links_become_copies(pod: SyncedPod, tmp_path: Path) -> None:
    pod.write("checkpoints/step-1/.metadata", "x")
    (pod.local / "checkpoints/latest").symlink_to("step-1")
    (pod.local / "checkpoints/absolute").symlink_to(pod.local / "checkpoints/step-1")
    (pod.local / "checkpoints/dangling").symlink_to("step-2")
    (tmp_path / "elsewhere").write_text("y")
    (pod.local / "checkpoints/step-1/weights").symlink_to(tmp_path / "elsewhere")
    pod.sync.finish(writing=False)
    local = tmp_path / "next"
    then = StorageSync(pod.store, local, node="0")
    then.download()
    checkpoints = local / "checkpoints"
    assert (checkpoints / "latest").readlink() == (checkpoints / "absolute").readlink() == Path("step-1")
    assert (checkpoints / "latest/weights").read_text() == "y"
    assert (checkpoints / "latest/.metadata").read_text() == "x"
    assert not os.path.lexists(checkpoints / "dangling")
    (checkpoints / "latest").unlink()
    then.upload(final=True)
    assert set(pod.store.links()) == {"checkpoints/absolute"}


def _break(pod: SyncedPod, refused: str) -> None:
    """Make the store reject a file."""
    put = pod.store.put

    def refusing(file: Path, path: str) -> None:
        if path == refused:
            raise PermissionError("refused")
        put(file, path)

    pod.store.put = refusing  # type: ignore[method-assign]
