"""The record of a job: its content, its encoding and its size limit."""

from __future__ import annotations

import base64
import hashlib
import random
from typing import Any

import pytest

from jupyter_trainjob.bundle.capture import capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import RECORD_ENTRY
from jupyter_trainjob.client.reproduce import provenance
from jupyter_trainjob.client.spec.options import job_options

RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "ClusterTrainingRuntime",
    "metadata": {"name": "plain", "uid": "u", "labels": {"a": "b"}},
    "spec": {"template": {}},
}
CELL = "lr * 2 + len(data)"


def gathered(**options: Any) -> dict[str, Any]:
    capture = capture_cell(CELL, {"lr": 0.1, "data": [object] * 3, "other": 1}, filename="Cell [3]")
    pending = provenance.PendingRecord(lambda: {"commit": "a" * 40, "diff": "+1"}, "a.ipynb")
    return provenance.gather_record(capture, job_options(**options), pending=pending, runtime=RUNTIME, seed=7)


def test_record_has_everything_that_a_rerun_needs() -> None:
    record = gathered(name="digits", nodes=2, env={"A": "b"}, files=["x"])
    assert record["cell"] == {
        "kind": "cell",
        "label": "Cell [3]",
        "source": CELL,
        "sha256": hashlib.sha256(CELL.encode()).hexdigest(),
    }
    assert record["options"] == {"nodes": 2, "env": {"A": "b"}, "files": ["x"]}
    assert record["arguments"]["lr"] == "0.1"
    assert record["arguments"]["data"].startswith("<list")
    assert (record["seed"], record["notebook"], record["git"]["commit"]) == (7, "a.ipynb", "a" * 40)
    assert record["runtime"]["spec"] == {"template": {}}
    assert "uid" not in record["runtime"]["metadata"]


def test_arguments_of_a_function_are_shortened() -> None:
    capture = capture_function(len, ("x" * 10_000,))
    (text,) = [value for name, value in provenance.argument_texts(capture).items() if name == "1"]
    assert len(text) <= provenance.SHORT


def test_packed_record_is_unpacked() -> None:
    data = provenance.pack_record(gathered())
    secret = {"data": {RECORD_ENTRY: base64.b64encode(data).decode()}}
    assert provenance.unpack_record(secret)["seed"] == 7
    assert provenance.unpack_record({"data": {}}) == {}


@pytest.mark.parametrize(
    ("diff", "source", "stored"),
    [
        pytest.param(10, 10, (True, True), id="nothing is dropped below the limit"),
        pytest.param(300_000, 10, (False, True), id="a large diff is dropped first"),
        pytest.param(300_000, 300_000, (False, False), id="a large cell is dropped too"),
    ],
)
def test_record_stays_within_the_size_limit(diff: int, source: int, stored: tuple[bool, bool]) -> None:
    noise = random.Random(1)
    full = gathered()
    full["git"] = {"diff": noise.randbytes(diff).hex(), "diff_cut": False, "commit": "a"}
    full["cell"]["source"] = noise.randbytes(source).hex()
    data = provenance.pack_record(full)
    assert 0 < len(data) <= provenance.LARGEST
    record = provenance.unpack_record({"data": {RECORD_ENTRY: base64.b64encode(data).decode()}})
    assert (bool(record["git"]["diff"]), bool(record["cell"]["source"])) == stored
    assert record["git"]["diff_cut"] is not stored[0]


@pytest.mark.parametrize(
    ("variables", "env", "path"),
    [
        pytest.param({}, {}, None, id="unknown"),
        pytest.param({}, {"JPY_SESSION_NAME": "/w/a.ipynb"}, "/w/a.ipynb", id="from the Jupyter server"),
        pytest.param({"__vsc_ipynb_file__": "/w/b.ipynb"}, {"JPY_SESSION_NAME": "x"}, "/w/b.ipynb", id="from VS Code"),
    ],
)
def test_notebook_path_comes_from_jupyter_or_vs_code(
    variables: dict[str, str], env: dict[str, str], path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert provenance.notebook(variables) == path
