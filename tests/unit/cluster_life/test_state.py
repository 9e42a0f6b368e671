from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.cluster import launch
from jupyter_trainjob.cluster.state import StateDir, state_dir
from jupyter_trainjob.constants import STATE_DIR_ENV


@pytest.fixture
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STATE_DIR_ENV, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")


@pytest.mark.usefixtures("_no_choice")
def test_a_home_folder_on_a_server_is_left_for_a_local_one() -> None:
    found = state_dir(network=lambda path: "nfs4" if path.is_relative_to("/home") else None)
    assert found.root.parent == Path("/var/tmp")
    assert str(os.getuid()) in found.root.name, "everybody has one"
    assert found.moved_from == Path("/home/me/state/jupyter_trainjob")


@pytest.mark.usefixtures("_no_choice")
def test_a_local_home_folder_is_kept() -> None:
    assert state_dir(network=lambda _: None) == StateDir(Path("/home/me/state/jupyter_trainjob"))


def test_what_the_user_chose_is_never_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/home/me/chosen")
    assert state_dir(network=lambda _: "nfs4") == StateDir(Path("/home/me/chosen"))


def test_the_move_is_told_once(tmp_path: Path) -> None:
    state = StateDir(tmp_path, moved_from=Path("/home/me")).create()
    told: list[str] = []
    for _ in range(2):
        launch._tell_surroundings(state, told.append)
    assert len([text for text in told if "/home/me is on a network file system" in text]) == 1


def test_the_folder_is_the_users_alone(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "a" / "state").create()
    assert [path.stat().st_mode & 0o777 for path in (state.root, state.cluster)] == [0o700, 0o700]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system without any space left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    try:
        (folder / "ballast").touch()
        with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(b"x" * 4096)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_one_clear_error_and_works_again_when_there_is_space(full_disk: Path) -> None:
    state = StateDir(full_disk / "state")
    with pytest.raises(errors.ClusterError, match=r"No space left on device.*Free some space"):
        state.create()
    (full_disk / "ballast").unlink()
    state.create()


def test_a_read_only_disk_is_one_clear_error(full_disk: Path) -> None:
    (full_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,ro", full_disk], check=True)
    with pytest.raises(errors.ClusterError, match=f"Read-only file system.*{STATE_DIR_ENV}"):
        StateDir(full_disk / "state").create()


def test_a_log_that_grew_long_starts_anew_and_keeps_one_older_part(tmp_path: Path) -> None:
    from jupyter_trainjob.cluster.life import limit_log

    log = tmp_path / "daemon.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        limit_log(log, limit=100)
        assert log.stat().st_size == 100
        writer.write(b"b")
        limit_log(log, limit=100)
        writer.write(b"c")
    assert log.read_bytes() == b"c", "who writes goes on at the new end"
    assert (tmp_path / "daemon.log.1").read_bytes() == b"a" * 100 + b"b"
