"""Completion on the lines of the magics, without a running or responding cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.client import context
from jupyter_trainjob.client.commandline.completion_values import Lookup
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.cluster.state.state_dir import state_dir
from jupyter_trainjob.constants import STATE_DIR_ENV
from jupyter_trainjob.magics import magic_completion
from jupyter_trainjob.magics.magic_completion import tooltip
from tests.waiting import patience


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython with the extension, and a state folder in which no cluster runs."""
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(_kubeconfig(tmp_path)))
    context.forget_connections()
    ipython = InteractiveShell.instance()
    ipython.reset(new_session=True)
    ipython.Completer.custom_matchers.clear()
    # As patient as a test must be on a busy machine.
    monkeypatch.setattr(magic_completion, "Lookup", lambda: Lookup(patience=60))
    ipython.run_line_magic("load_ext", "jupyter_trainjob")
    magic_completion.install(ipython)
    ipython.user_ns.update(weights=1, wonder=2)
    yield ipython
    InteractiveShell.clear_instance()
    context.forget_connections()


def _kubeconfig(folder: Path) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: admin@prod\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {}}]\n"
        "contexts: [{name: 'admin@prod', context: {cluster: c, user: u, namespace: team}}]\n"
    )
    return path


def offered(shell: InteractiveShell, text: str, cursor: int | None = None) -> list[str]:
    """Return `text` with each completion inserted, up to the cursor."""
    cursor = len(text) if cursor is None else cursor
    with provisionalcompleter():
        completions = list(shell.Completer.completions(text, cursor))
    return [text[: completion.start] + completion.text for completion in completions]


OFFERED = {
    "an option": ("%%trainjob digits --no", ["%%trainjob digits --nodes"]),
    "an option in a cell of several lines": ("%%trainjob digits --no\nprint(1)", ["%%trainjob digits --nodes"]),
    "no option twice": ("%%trainjob --nodes 2 --no", ["%%trainjob --nodes 2 --no"]),
    "an option that may stand twice": ("%%trainjob --env A=1 --en", ["%%trainjob --env A=1 --env"]),
    "a built-in runtime": ("%%trainjob --runtime pl", ["%%trainjob --runtime plain"]),
    "a value behind a sign": ("%%trainjob --runtime=pl", ["%%trainjob --runtime=plain"]),
    "a context with signs in its name": ("%%trainjob --context adm", ["%%trainjob --context admin@prod"]),
    "the embedded cluster": ("%trainjob use train", ["%trainjob use trainjob-local"]),
    "a namespace": ("%%trainjob --namespace d", ["%%trainjob --namespace default"]),
    "a variable": ("%%trainjob --out we", ["%%trainjob --out weights"]),
    "another variable": ("%%trainjob --out weights,w", ["%%trainjob --out weights,wonder"]),
    "a secret of the environment": ("%%trainjob --secret KUBECON", ["%%trainjob --secret KUBECONFIG"]),
    "a command": ("%trainjob lo", ["%trainjob logs"]),
    "an option of a command": ("%trainjob logs x --r", ["%trainjob logs x --rank", "%trainjob logs x --regex"]),
}


@pytest.mark.parametrize(("text", "expected"), OFFERED.values(), ids=OFFERED)
def test_commands_options_and_values_are_completed(shell: InteractiveShell, text: str, expected: list[str]) -> None:
    assert offered(shell, text, len(text.split("\n", 1)[0])) == expected
    assert launcher.running_daemon(state_dir()) is None, "completion starts no cluster"


def test_completion_of_code_is_unchanged(shell: InteractiveShell) -> None:
    assert "weights" in offered(shell, "weig")
    assert "%%trainjob\nweights" in offered(shell, "%%trainjob\nweig")


def test_completion_does_not_wait_for_an_unresponsive_cluster() -> None:
    answers, lookup = threading.Event(), Lookup(patience=0.01)
    looks: list[str] = []

    def query(context: str, _namespace: str) -> Sequence[str]:
        looks.append(context)
        answers.wait()
        return ["plain"]

    key = ("runtime", "prod", "")
    assert lookup.ask(key, query) == ()
    assert lookup.ask(key, query) == ()
    assert looks == ["prod"], "asked once, whoever waits"
    answers.set()
    assert Lookup(patience=60).ask(key, query) == ["plain"]
    for thread in threading.enumerate():
        if thread.name == "trainjob-complete":
            thread.join(patience(60))
    assert lookup.ask(key, query) == ["plain"]
    assert looks == ["prod", "prod"], "what is fresh is not asked for again"


def test_failing_cluster_gives_the_earlier_completions() -> None:
    now = [0.0]
    lookup = Lookup(patience=60, clock=lambda: now[0])
    key = ("job", "", "")
    assert lookup.ask(key, lambda *_: ["digits-abcde"]) == ["digits-abcde"]
    now[0] = 100

    def fail(*_: str) -> Sequence[str]:
        raise OSError("away")

    assert lookup.ask(key, fail) == ["digits-abcde"]


@pytest.mark.parametrize("cursor", [18, 20, 22])
def test_tooltip_of_an_option_and_its_value_is_its_help(cursor: int) -> None:
    text = "%%trainjob digits --nodes 2\nx = 1"
    assert text[18:25] == "--nodes"
    assert "number of nodes" in tooltip(text, cursor)
    assert "number of nodes" in tooltip(text, 27)
    assert tooltip(text, 13) == ""
    assert tooltip(text, 30) == ""


def test_tooltip_of_a_command_is_its_help() -> None:
    assert "--rank" in tooltip("%trainjob logs", 12)
