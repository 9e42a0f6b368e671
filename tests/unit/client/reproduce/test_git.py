"""The git state in a record, from given outputs of git and from a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_trainjob.client.reproduce import git

COMMIT = b"a1" * 20
CLEAN = b"# branch.oid " + COMMIT + b"\n# branch.head main\n"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({}, None, id="no output"),
        pytest.param({"status": b"# branch.oid (initial)\n"}, None, id="no commit"),
        pytest.param({"status": CLEAN}, ("main", False, "", False), id="clean"),
        pytest.param({"status": CLEAN.replace(b"main", b"(detached)")}, ("", False, "", False), id="on no branch"),
        pytest.param({"status": CLEAN + b"1 .M N... a\n", "diff": b"+1"}, ("main", True, "+1", False), id="edited"),
        pytest.param(
            {"status": CLEAN, "diff": b"x" * (git.LARGEST + 1)},
            ("main", False, "x" * git.LARGEST, True),
            id="a diff that is too large is cut",
        ),
        pytest.param(
            {"status": CLEAN, "diff": b"\xff"}, ("main", False, "\ufffd", False), id="a diff that is not UTF-8"
        ),
    ],
)
def test_read_answers(answers: dict[str, bytes], expected: tuple[object, ...] | None) -> None:
    state = git.read_answers(answers)
    selected = state and (state["branch"], state["dirty"], state["diff"], state["diff_cut"])
    assert selected == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("https://me:ghp_secret@host/a.git", "https://host/a.git", id="a password"),
        pytest.param("https://ghp_secret@host:8443/a", "https://host:8443/a", id="a token alone"),
        pytest.param("https://host/a?access_token=secret#x", "https://host/a", id="a token in the query"),
        pytest.param("ssh://git@host/a", "ssh://host/a", id="ssh as a URL"),
        pytest.param("git@host:me/a.git", "git@host:me/a.git", id="ssh as git writes it"),
        pytest.param("https://[host/a", "", id="no URL"),
        pytest.param("", "", id="none"),
    ],
)
def test_credentials_are_removed_from_a_remote(url: str, expected: str) -> None:
    assert git.without_credentials(url) == expected


def _git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    command = ["git", "-C", str(folder), *named, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_repository_is_read_from_a_folder_within(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q", "-b", "work")
    _git(tmp_path, "remote", "add", "origin", "https://me:secret@host/a.git")
    within = tmp_path / "notebooks"
    within.mkdir()
    (within / "a.txt").write_text("one\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    (within / "a.txt").write_text("two\n")
    state = git.start_git(within)()
    assert state is not None
    assert state["commit"] == _git(tmp_path, "rev-parse", "HEAD")
    assert (state["branch"], state["remote"], state["dirty"]) == ("work", "https://host/a.git", True)
    assert "-one\n+two\n" in state["diff"]


def test_git_is_not_started_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert git.start_git(tmp_path)() is None


def test_hanging_git_is_ended_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    hanging = tmp_path / "git"
    hanging.write_text("#!/bin/sh\nexec sleep 100000\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(git, "TIME", 0.2)
    assert git.start_git(tmp_path)() is None


def test_missing_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.start_git(tmp_path)() is None
