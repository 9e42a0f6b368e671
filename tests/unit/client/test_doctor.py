"""The doctor on clusters that answer, refuse and are not there, and on state folders in a bad way."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.client import doctor
from jupyter_trainjob.client.doctor import NOTE, OK, PROBLEM, clusters, computer
from jupyter_trainjob.constants import CONTEXT_ENV, STATE_DIR_ENV


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv(STATE_DIR_ENV, str(folder))
    return folder


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a cluster that nobody serves."""
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


def test_a_state_folder_that_is_not_there_yet_is_fine_and_stays_so(state: Path) -> None:
    (check,) = computer.state_folder()
    assert check.verdict == OK
    assert not state.exists()


def test_a_state_folder_that_others_can_read_is_a_problem(state: Path) -> None:
    state.mkdir()
    state.chmod(0o755)
    assert [check.verdict for check in computer.state_folder()] == [OK, PROBLEM]
    state.chmod(0o700)
    assert [check.verdict for check in computer.state_folder()] == [OK]


def test_a_state_folder_that_cannot_be_made_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/dev/null/state")
    (check,) = computer.state_folder()
    assert check.verdict == PROBLEM
    assert STATE_DIR_ENV in check.what_to_do


def test_a_daemon_that_does_not_run_is_no_problem_and_its_last_error_is_shown(state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "daemon.log").write_text("a INFO b: fine\na ERROR b: it broke\na INFO b: ended\n")
    (check,) = computer.daemon()
    assert check.verdict == OK
    assert "it broke" in check.what


def test_an_interpreter_that_starts_cold_is_told_why(state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "daemon.log").write_text(
        f"a INFO b: {sys.executable} does not start programs warm: it hangs\n"
    )
    (check,) = computer.warm_start()
    assert check.verdict == NOTE
    assert check.what.endswith(": it hangs") or "no torch" in check.what


def test_settings_that_make_no_sense_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [check.verdict for check in computer.chosen_settings()] == [OK]
    monkeypatch.setenv("TRAINJOB_KEEP_DAYS", "many")
    assert [check.verdict for check in computer.chosen_settings()] == [PROBLEM]


def test_who_holds_programs_to_their_limits_is_told() -> None:
    (check,) = computer.limits()
    assert check.what.startswith("memory is held by ")


def test_a_cluster_that_does_not_answer_is_a_problem_of_its_own(state: Path, kubeconfig: Path) -> None:
    found = doctor.examine()
    by_name = {check.name: check for check in found}
    assert by_name["context away"].verdict == PROBLEM
    assert "cannot be reached" in by_name["context away"].what
    assert by_name["state folder"].verdict == OK
    assert all(check.what_to_do for check in found if check.verdict == PROBLEM)


def test_a_context_that_the_kubeconfig_lacks_is_named(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTEXT_ENV, "elsewhere")
    looks = dict(clusters.looks(None))
    (check,) = looks[CONTEXT_ENV]()
    assert check.verdict == PROBLEM
    assert "elsewhere" in check.what
    assert "away" in check.what


def test_a_kubeconfig_that_is_none_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubeconfig").write_text("a: [")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    ((_, look),) = clusters.looks(None)
    assert look()[0].verdict == PROBLEM


def test_a_look_that_breaks_hides_no_other(state: Path, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[doctor.Check]:
        raise RuntimeError("no such thing")

    found = doctor.examine(context="away", looks=[("odd", broken), ("state folder", computer.state_folder)])
    assert [(check.name, check.verdict) for check in found] == [
        ("odd", PROBLEM),
        ("state folder", OK),
        ("context away", PROBLEM),
    ]
    assert "RuntimeError: no such thing" in found[0].what


def test_isolation_that_is_refused_is_a_note_with_the_way_out() -> None:
    assert all(check.verdict in (OK, NOTE) for check in computer.namespaces())
