"""The checks of doctor, for reachable and unreachable clusters and for the state folder."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.client.doctor import cluster_checks, computer_checks
from jupyter_trainjob.client.doctor.examination import examine
from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.constants import CONTEXT_ENV, STATE_DIR_ENV


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv(STATE_DIR_ENV, str(folder))
    return folder


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set KUBECONFIG to a file whose cluster does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    content = {
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "away", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def test_missing_state_folder_is_ok_and_is_not_created(state: Path) -> None:
    (result,) = computer_checks.check_state_folder()
    assert result.verdict == OK
    assert not state.exists()


def test_state_folder_readable_by_others_is_a_problem(state: Path) -> None:
    state.mkdir()
    state.chmod(0o755)
    assert [result.verdict for result in computer_checks.check_state_folder()] == [OK, PROBLEM]
    state.chmod(0o700)
    assert [result.verdict for result in computer_checks.check_state_folder()] == [OK]


def test_state_folder_that_cannot_be_created_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/dev/null/state")
    (result,) = computer_checks.check_state_folder()
    assert result.verdict == PROBLEM
    assert STATE_DIR_ENV in result.remedy


def test_stopped_daemon_is_ok_and_its_last_error_is_shown(state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "daemon.log").write_text("a INFO b: fine\na ERROR b: it broke\na INFO b: ended\n")
    (result,) = computer_checks.check_daemon()
    assert result.verdict == OK
    assert "it broke" in result.message


def test_interpreter_without_warm_start_is_a_note_with_the_reason(state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "daemon.log").write_text(
        f"a INFO b: {sys.executable} does not start programs warm: it hangs\n"
    )
    (result,) = computer_checks.check_warm_start()
    assert result.verdict == NOTE
    assert result.message.endswith(": it hangs") or "no torch" in result.message


def test_interpreter_that_starts_warm_again_is_ok(state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "daemon.log").write_text(
        f"a INFO b: {sys.executable} does not start programs warm: timed out\n"
        f"a INFO b: {sys.executable} starts programs warm\n"
    )
    (result,) = computer_checks.check_warm_start()
    assert result.verdict == OK or "no torch" in result.message


def test_invalid_settings_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [result.verdict for result in computer_checks.check_settings()] == [OK]
    monkeypatch.setenv("TRAINJOB_KEEP_DAYS", "many")
    assert [result.verdict for result in computer_checks.check_settings()] == [PROBLEM]


def test_limits_name_what_enforces_memory() -> None:
    (result,) = computer_checks.check_limits()
    assert result.message.startswith("memory is limited by ")


def test_unreachable_cluster_is_a_separate_problem(state: Path, kubeconfig: Path) -> None:
    results = examine()
    by_name = {result.name: result for result in results}
    assert by_name["context away"].verdict == PROBLEM
    assert "cannot be reached" in by_name["context away"].message
    assert by_name["state folder"].verdict == OK
    assert all(result.remedy for result in results if result.verdict == PROBLEM)


def test_context_missing_in_the_kubeconfig_is_named(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTEXT_ENV, "elsewhere")
    checks = dict(cluster_checks.context_checks(None))
    (result,) = checks[CONTEXT_ENV]()
    assert result.verdict == PROBLEM
    assert "elsewhere" in result.message
    assert "away" in result.message


def test_invalid_kubeconfig_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubeconfig").write_text("a: [")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    ((_, check_cluster),) = cluster_checks.context_checks(None)
    assert check_cluster()[0].verdict == PROBLEM


def test_check_that_raises_does_not_hide_the_others(
    state: Path, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[Check]:
        raise RuntimeError("no such thing")

    results = examine(context="away", checks=[("odd", broken), ("state folder", computer_checks.check_state_folder)])
    assert [(result.name, result.verdict) for result in results] == [
        ("odd", PROBLEM),
        ("state folder", OK),
        ("context away", PROBLEM),
    ]
    assert "RuntimeError: no such thing" in results[0].message


def test_missing_namespace_isolation_is_at_most_a_note() -> None:
    assert all(result.verdict in (OK, NOTE) for result in computer_checks.check_isolation())
