"""The record of a job: what is gathered, and that it is kept within its room."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from typing import Any

import pytest

from jupyter_trainjob.bundle.capture import capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import RECORD_ENTRY
from jupyter_trainjob.client import record
from jupyter_trainjob.client.options import Options

RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "ClusterTrainingRuntime",
    "metadata": {"name": "plain", "uid": "u", "labels": {"a": "b"}},
    "spec": {"template": {}},
}
CELL = "lr * 2 + len(data)"


def gathered(**options: Any) -> dict[str, Any]:
    capture = capture_cell(CELL, {"lr": 0.1, "data": [object] * 3, "other": 1}, filename="Cell [3]")
    begun = record.Begun(lambda: {"commit": "a" * 40, "diff": "+1"}, "a.ipynb")
    return record.gather(capture, Options(**options), begun=begun, runtime=RUNTIME, seed=7)


def test_all_that_it_takes_to_make_the_job_again_is_there() -> None:
    found = gathered(name="digits", nodes=2, env={"A": "b"}, files=["x"])
    assert found["cell"] == {
        "kind": "cell",
        "label": "Cell [3]",
        "source": CELL,
        "sha256": hashlib.sha256(CELL.encode()).hexdigest(),
    }
    assert found["options"] == {"nodes": 2, "env": {"A": "b"}, "files": ["x"]}
    assert found["arguments"]["lr"] == "0.1"
    assert found["arguments"]["data"].startswith("<list")
    assert (found["seed"], found["notebook"], found["git"]["commit"]) == (7, "a.ipynb", "a" * 40)
    assert found["runtime"]["spec"] == {"template": {}}
    assert "uid" not in found["runtime"]["metadata"]


def test_arguments_of_a_function_are_short() -> None:
    capture = capture_function(len, ("x" * 10_000,))
    (text,) = [value for name, value in record.arguments(capture).items() if name == "1"]
    assert len(text) <= record.SHORT


def test_it_is_read_as_it_was_kept() -> None:
    data = record.packed(gathered())
    kept = {"data": {RECORD_ENTRY: base64.b64encode(data).decode()}}
    assert record.unpacked(kept)["seed"] == 7
    assert record.unpacked({"data": {}}) == {}


@pytest.mark.parametrize(
    ("diff", "source", "left"),
    [
        pytest.param(10, 10, (True, True), id="what fits is kept"),
        pytest.param(300_000, 10, (False, True), id="a diff that does not fit goes first"),
        pytest.param(300_000, 300_000, (False, False), id="and the cell, which the archive has too"),
    ],
)
def test_a_record_stays_within_its_room(diff: int, source: int, left: tuple[bool, bool]) -> None:
    noise = random.Random(1)
    full = gathered()
    full["git"] = {"diff": noise.randbytes(diff).hex(), "diff_cut": False, "commit": "a"}
    full["cell"]["source"] = noise.randbytes(source).hex()
    data = record.packed(full)
    assert 0 < len(data) <= record.LARGEST
    kept = record.unpacked({"data": {RECORD_ENTRY: base64.b64encode(data).decode()}})
    assert (bool(kept["git"]["diff"]), bool(kept["cell"]["source"])) == left
    assert kept["git"]["diff_cut"] is not left[0]


@pytest.mark.parametrize(
    ("variables", "env", "path"),
    [
        pytest.param({}, {}, None, id="nobody says it"),
        pytest.param({}, {"JPY_SESSION_NAME": "/w/a.ipynb"}, "/w/a.ipynb", id="Jupyter's server does"),
        pytest.param({"__vsc_ipynb_file__": "/w/b.ipynb"}, {"JPY_SESSION_NAME": "x"}, "/w/b.ipynb", id="VS Code does"),
    ],
)
def test_the_notebook_is_known_where_somebody_says_it(
    variables: dict[str, str], env: dict[str, str], path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert record.notebook(variables) == path


def test_gathering_takes_no_time_worth_mentioning() -> None:
    gathered()
    took = []
    for _ in range(5):
        began = time.perf_counter()
        record.packed(gathered())
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02
