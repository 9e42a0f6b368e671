"""What a user does wrong is said before anything is sent: what, why, and what to do."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS
from jupyter_trainjob.client import context
from jupyter_trainjob.cluster.state import StateDir
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.magics.conftest import Shell

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
        "%%trainjob --nodes 500 --cpus 1 --runtime plain\n1",
        ["do not fit", "at once", "Nothing was sent"],
    ),
    "processes of a runtime that starts one": (
        "%%trainjob --procs-per-node 2 --runtime plain\n1",
        ["torchrun", "--nodes"],
    ),
    "a job that is not there": ("%trainjob show nothing", ["nothing", "There is"]),
}


@pytest.mark.parametrize(("source", "words"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_one_clear_line_and_nothing_is_sent(
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


def test_a_value_that_cannot_travel_is_named_with_its_path(cluster: StateDir, shell: Shell) -> None:
    shell.run(
        "import threading\n"
        "class Loader:\n    def __init__(self): self.lock = threading.Lock()\n"
        "class Data:\n    def __init__(self): self.loader = Loader()\n"
        "data = Data()"
    )
    with pytest.raises(UsageError, match=r"data\.loader\.lock"):
        shell.run("%%trainjob\ndata.loader")


def test_a_state_folder_that_cannot_be_written_says_how_to_move_it(
    monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.setenv(STATE_DIR_ENV, "/dev/null/state")
    context.forget()
    try:
        with pytest.raises(errors.ClusterError) as raised:
            shell.run("%%trainjob\n1")
    finally:
        context.forget()
    assert STATE_DIR_ENV in str(raised.value)
    assert "/dev/null/state" in str(raised.value)


def test_help_is_complete_both_ways(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run("%%trainjob --help\n1")
    asked = capsys.readouterr().out
    shell.run("%trainjob?")
    pinned = capsys.readouterr().out
    options = (
        "nodes gpus cpus memory procs-per-node runtime image env deadline retries out context namespace wait dry-run"
    )
    for option in (f"--{name}" for name in options.split()):
        assert option in asked
        assert option in pinned


def test_a_cell_is_called_by_the_number_that_its_prompt_has(shell: Shell) -> None:
    shell.run("first = 1")
    with pytest.raises(UsageError, match=r"Cell \[2\], line 2"):
        shell.run("%%trainjob\nx = (1,\ny = 2")
