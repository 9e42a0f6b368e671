"""Errors about wrong input are raised before anything is sent, with a cause and a remedy."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from IPython.core.error import UsageError

import jupyter_trainjob
from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.state.state_dir import StateDir
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.magics.conftest import Shell
from tests.waiting import patience

WRONG = {
    "a syntax error": ("%%trainjob\nx = (1,\ny = 2", ["Cell [", "line 2", "never closed", "Nothing was sent"]),
    "an unknown option": ("%%trainjob --node 8\n1", ["--node", "--nodes", "--help"]),
    "an unknown runtime": ("%%trainjob --runtime torche\n1", ["torche", "torch-distributed", "plain"]),
    "no nodes": ("%%trainjob --nodes 0\n1", ["nodes", "at least 1", "0"]),
    "a name that is no identifier": ("%%trainjob my-job\n1", ["my-job", "identifier", "my_job"]),
    "a name that Python keeps": ("%%trainjob class\n1", ["class", "identifier"]),
    "a command that only the notebook has": ("%%trainjob\n%store x\n1", ["%store x", "%time"]),
    "an out name that the cell never sets": ("%%trainjob --out weights\n1", ["weights"]),
    "an environment variable without a value": ("%%trainjob --env A\n1", ["NAME=VALUE"]),
    "an amount of memory that would be bytes": ("%%trainjob --memory 4\n1", ["'4'", "4Gi"]),
    "a deadline without a unit": ("%%trainjob --deadline 90\n1", ["90m or 90s"]),
    "less than no retry": ("%%trainjob --retries -1\n1", ["retries", "at least 0"]),
    "more CPUs than this computer has": (
        "%%trainjob --cpus 4000 --runtime plain\n1",
        ["this computer has 4000 CPUs", "nearest", "Nothing was sent"],
    ),
    "a GPU where no node has any": ("%%trainjob --gpus 999 --runtime plain\n1", ["GPU", "Nothing was sent"]),
    "more nodes with a CPU each than there are CPUs": (
        "%%trainjob --nodes 200 --cpus 1 --runtime plain\n1",
        ["do not fit", "at once", "Nothing was sent"],
    ),
    "processes of a runtime that starts one": (
        "%%trainjob --procs-per-node 2 --runtime plain\n1",
        ["torchrun", "--nodes"],
    ),
    "a missing job": ("%trainjob show nothing", ["nothing", "There is"]),
    "a runtime written wrongly": ("%%trainjob --runtime plane\n1", ["plane", "Did you mean plain?"]),
    "a context written wrongly": ("%%trainjob --context trainjob-locl\n1", ["Did you mean trainjob-local?"]),
    "a cell magic with one %": ("%trainjob digits --nodes 2", ["%%trainjob digits --nodes 2", "two %"]),
    "a line magic with two %": ("%%trainjob list", ["%trainjob list", "one %"]),
    "an empty cell": ("%%trainjob digits --nodes 2", ["The cell is empty", "below the line"]),
    "a blank cell": ("%%trainjob digits\n  \n", ["The cell is empty"]),
    "the name of a builtin": ("%%trainjob print\n1", ["print", "print_job", "Nothing was sent"]),
}


@pytest.mark.parametrize(("source", "words"), WRONG.values(), ids=WRONG)
def test_usage_error_is_one_line_and_nothing_is_sent(
    cluster: StateDir, shell: Shell, source: str, words: list[str]
) -> None:
    client = context.connect().client

    def names() -> list[str]:
        return [obj["metadata"]["uid"] for kind in (TRAINJOBS, SECRETS) for obj in client.list(kind).items]

    before = names()
    with pytest.raises(UsageError) as raised:
        shell.run(source)
    for word in words:
        assert word in str(raised.value)
    assert set(names()) <= set(before)


def test_unpicklable_value_is_named_with_its_path(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "import threading\n"
        "class Loader:\n    def __init__(self): self.lock = threading.Lock()\n"
        "class Data:\n    def __init__(self): self.loader = Loader()\n"
        "data = Data()"
    )
    with pytest.raises(UsageError, match=r"data\.loader\.lock"):
        shell.run("%%trainjob\ndata.loader")


def test_error_about_an_unwritable_state_folder_has_a_remedy(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/dev/null/state")
    context.forget_connections()
    try:
        with pytest.raises(errors.ClusterError) as raised:
            shell.run("%%trainjob\n1")
    finally:
        context.forget_connections()
    assert STATE_DIR_ENV in str(raised.value)
    assert "/dev/null/state" in str(raised.value)


def test_help_lists_every_option(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("%%trainjob --help\n1")
    help_text = capsys.readouterr().out
    shell.run("%trainjob?")
    pinned = capsys.readouterr().out
    options = (
        "nodes gpus cpus memory procs-per-node runtime image env deadline retries out context namespace wait dry-run"
    )
    for option in (f"--{name}" for name in options.split()):
        assert option in help_text
        assert option in pinned


def test_cell_with_the_help_option_only_prints_the_help(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("%%trainjob --help")
    alone = capsys.readouterr().out
    assert "--nodes" in alone
    shell.run("\n%%trainjob -h\n\n")
    assert capsys.readouterr().out == alone


def test_job_never_replaces_a_variable_that_is_no_job(cluster: StateDir, shell: Shell) -> None:
    shell.run("model = {'weights': 1}")
    with pytest.raises(UsageError, match=r"model is a variable of this notebook \(dict\).*model_job.*Nothing was sent"):
        shell.run("%%trainjob model --runtime plain\n1")
    assert shell.names["model"] == {"weights": 1}
    shell.run("del model")
    shell.run("%%trainjob model --runtime plain\n1")
    shell.run("%%trainjob model --runtime plain --wait\n2")
    assert shell.names["model"].result() == 2


def test_name_that_is_proposed_is_free(cluster: StateDir, shell: Shell) -> None:
    shell.run("model = model_job = model_job_2 = None")
    with pytest.raises(
        UsageError, match=r"model is a variable .*\(NoneType\).* such as model_job_3,.*Nothing was sent"
    ):
        shell.run("%%trainjob model --runtime plain\n1")
    assert shell.names["model"] is None


def test_default_name_steps_aside(cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("job = {'id': 7}")
    shell.run("%%trainjob --runtime plain\n1")
    assert "The job is called job_2, since job is a variable of this notebook." in capsys.readouterr().out
    assert shell.names["job"] == {"id": 7}
    assert shell.names["job_2"].result(timeout=patience(60)) == 1


@pytest.mark.parametrize("source", ["%trainjob", "%trainjob --help"])
def test_line_magic_without_a_command_prints_the_commands(
    shell: Shell, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    shell.run(source)
    output = capsys.readouterr().out
    for word in ("list", "logs", "%%trainjob [", "--nodes"):
        assert word in output


@pytest.mark.parametrize("name", [None, "", " ", 7])
def test_get_rejects_an_invalid_name(cluster: StateDir, name: Any) -> None:
    with pytest.raises(errors.UsageError, match="is not the name of a job"):
        jupyter_trainjob.get(name)


def test_misspelt_name_suggests_the_nearest_job(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob digits --runtime plain\n1")
    with pytest.raises(errors.UsageError, match=r"Did you mean digits\?"):
        jupyter_trainjob.get("digist")


def test_copy_of_a_handle_is_the_same_handle(cluster: StateDir, shell: Shell) -> None:
    shell.run("%%trainjob copied --runtime plain\n1")
    job = shell.names["copied"]
    assert copy.copy(job) is job
    assert copy.deepcopy({"jobs": [job]}) == {"jobs": [job]}


def test_error_names_the_cell_by_the_number_of_its_prompt(shell: Shell) -> None:
    shell.run("first = 1")
    with pytest.raises(UsageError, match=r"Cell \[2\], line 2"):
        shell.run("%%trainjob\nx = (1,\ny = 2")
