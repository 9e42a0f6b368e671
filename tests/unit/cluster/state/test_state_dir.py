from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import StateDir, state_dir
from jupyter_trainjob.constants import STATE_DIR_ENV


@pytest.fixture
def _no_state_dir_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STATE_DIR_ENV, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")


@pytest.mark.usefixtures("_no_state_dir_variable")
def test_state_dir_moves_to_a_local_folder_if_home_is_on_a_network_file_system() -> None:
    state = state_dir(network=lambda path: "nfs4" if path.is_relative_to("/home") else None)
    assert state.root.parent == Path("/var/tmp")
    assert str(os.getuid()) in state.root.name, "one folder for each user"
    assert state.moved_from == Path("/home/me/state/jupyter_trainjob")


@pytest.mark.usefixtures("_no_state_dir_variable")
def test_state_dir_stays_in_a_local_home() -> None:
    assert state_dir(network=lambda _: None) == StateDir(Path("/home/me/state/jupyter_trainjob"))


def test_explicit_state_dir_is_never_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/home/me/chosen")
    assert state_dir(network=lambda _: "nfs4") == StateDir(Path("/home/me/chosen"))


def test_moved_state_dir_is_reported_once(tmp_path: Path) -> None:
    state = StateDir(tmp_path, moved_from=Path("/home/me")).create()
    messages: list[str] = []
    for _ in range(2):
        launcher._report_findings(state, messages.append)
    assert len([text for text in messages if "/home/me is on a network file system" in text]) == 1


def test_state_dir_is_private_to_the_user(tmp_path: Path) -> None:
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


def test_full_disk_is_an_error_with_a_remedy_and_recovers(full_disk: Path) -> None:
    state = StateDir(full_disk / "state")
    with pytest.raises(errors.ClusterError, match=r"No space left on device.*Free some space"):
        state.create()
    (full_disk / "ballast").unlink()
    state.create()


def test_read_only_disk_is_an_error_with_a_remedy(full_disk: Path) -> None:
    (full_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,ro", full_disk], check=True)
    with pytest.raises(errors.ClusterError, match=f"Read-only file system.*{STATE_DIR_ENV}"):
        StateDir(full_disk / "state").create()


def test_long_log_is_truncated_and_copied_once(tmp_path: Path) -> None:
    from jupyter_trainjob.cluster.daemon.lifecycle import limit_log

    log = tmp_path / "daemon.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        limit_log(log, limit=100)
        assert log.stat().st_size == 100
        writer.write(b"b")
        limit_log(log, limit=100)
        writer.write(b"c")
    assert log.read_bytes() == b"c", "open writers append to the truncated file"
    assert (tmp_path / "daemon.log.1").read_bytes() == b"a" * 100 + b"b"
