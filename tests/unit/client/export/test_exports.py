"""Export of a stored job as a cell, as YAML and as code for the SDK."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from IPython.utils.text import DollarFormatter

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, SECRETS, TRAINJOBS, KubeObject
from jupyter_trainjob.bundle.capture import Capture, capture_cell, capture_function
from jupyter_trainjob.bundle.delivery import bundle_secret
from jupyter_trainjob.client.commandline.job_arguments import options_of
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.export import program_source
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import Prepared, prepare_on, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import KUEUE_PATCH_MANAGER, VARIABLE_ANNOTATION
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.magics import arguments
from jupyter_trainjob.worker.manifest import CELL, FUNCTION, Manifest, Recipe, Source
from tests.paths import ROOT
from tests.waiting import patience

RUNTIMES = ROOT / "runtimes"
CELL_TEXT = "text = '''a\nb'''\nanswer = 6 * 7\nanswer\n"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    store = Store(tmp_path / "store.db")
    client = Client(ApiServer(store, version="0.0.0"))
    for name in ("plain", "torch-distributed"):
        client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load((RUNTIMES / f"{name}.yaml").read_text()))
    yield client
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=patience(60))
    store.close()


def prepared(client: Client, typed: str, cell: str = CELL_TEXT) -> Prepared:
    """Prepare a job as the magic does, after IPython has expanded the line."""
    line = DollarFormatter().vformat(typed, args=[], kwargs={})
    options = options_of(arguments.parse_line(arguments.cell_parser(), line))
    captured = capture_cell(f"# %%trainjob {line}\n{cell}", {}, filename="Cell [1]", out=options["out"])
    return prepare_on(Connection("elsewhere", client, "default"), captured, options)


def without_names(prepared: Prepared) -> KubeObject:
    """Return the objects of a job without its generated name."""
    name = prepared.trainjob["metadata"]["name"]
    whole = yaml.safe_load(yaml.safe_dump([prepared.trainjob, prepared.runtime]).replace(name, "NAME"))
    return {"objects": whole, "out": prepared.capture.out}


@pytest.mark.parametrize(
    ("typed", "exported"),
    [
        pytest.param("", "job", id="no options"),
        pytest.param("digits --nodes 8 --runtime plain --out answer,text", None, id="in the order of the help"),
        pytest.param(
            "--cpus 0.5 --deadline 9000s",
            "job --cpus 500m --procs-per-node 1 --deadline 2h30m",
            id="amounts are normalized",
        ),
        pytest.param("--memory 4Gi --cpus 2", "job --cpus 2 --memory 4Gi --procs-per-node 1", id="memory and CPUs"),
        pytest.param("--gpus 2", "job --gpus 2", id="one process for each GPU is the default"),
        pytest.param(
            "--gpus 2 --procs-per-node 1", "job --gpus 2 --procs-per-node 1", id="another number of processes"
        ),
        pytest.param("--procs-per-node 3", "job --procs-per-node 3", id="processes without GPUs"),
        pytest.param("--image a/b:1 --retries 3 --namespace default", "job --image a/b:1 --retries 3", id="retries"),
        pytest.param("--env A=1 --env 'B=two words'", "job --env A=1 --env 'B=two words'", id="the environment"),
        pytest.param("--env A=", "job --env A=", id="a variable without a value"),
        pytest.param("--env 'A=$HOME $(B) $$'", "job --env 'A=$HOME $(B) $$'", id="dollars of all kinds"),
        pytest.param("--env 'A={{x}}'", "job --env 'A={{x}}'", id="braces that IPython would fill in"),
        pytest.param('--env "A=it\'s"', """job --env 'A=it'"'"'s'""", id="quotation marks"),
        pytest.param("--wait --dry-run", "job", id="options of the notebook alone are left out"),
    ],
)
def test_exported_cell_has_the_options_of_the_job(client: Client, typed: str, exported: str | None) -> None:
    first = prepared(client, typed)
    magic, _, rest = send(first).to_magic().partition("\n")
    assert rest == CELL_TEXT
    line = magic.removeprefix("%%trainjob ").replace(" --context elsewhere", "")
    assert line == (typed if exported is None else exported)
    assert without_names(prepared(client, line)) == without_names(first)


def test_exported_cell_exports_to_the_same_cell(client: Client) -> None:
    once = send(prepared(client, "digits --nodes 2")).to_magic()
    line, _, cell = once.partition("\n")
    assert send(prepared(client, line.removeprefix("%%trainjob "), cell)).to_magic() == once


@pytest.mark.parametrize("env", [{"A": "a\nb"}, {"A": "it's $HOME"}, {"A": "$HOME", "B": "it's"}])
def test_values_that_a_magic_line_cannot_hold_are_rejected(client: Client, env: dict[str, str]) -> None:
    captured = capture_cell("1", {}, filename="Cell [1]")
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, job_options(env=env)))
    with pytest.raises(errors.UsageError, match=r"cannot be written in the line of a magic.*rerun\(\)"):
        job.to_magic()


@pytest.mark.parametrize("written", ["{1+1}", "digits\n!true", "a b"])
def test_invalid_variable_annotation_is_not_exported(client: Client, written: str) -> None:
    job = send(prepared(client, "digits"))
    patch = {"metadata": {"annotations": {VARIABLE_ANNOTATION: written}}}
    changed = client.patch(TRAINJOBS, job.name, patch, namespace="default")
    first = TrainJob(Connection("elsewhere", client, "default"), changed).to_magic().splitlines()[0]
    assert first == f"%%trainjob {job.name.replace('-', '_')} --context elsewhere"


def test_export_without_a_cell_raises_with_a_remedy(client: Client) -> None:
    connection = Connection("elsewhere", client, "default")
    called = send(prepare_on(connection, capture_function(print, ("a",), {}), job_options()))
    with pytest.raises(errors.UsageError, match=r"a call of print\(\).*rerun\(\)"):
        called.to_magic()
    spec = {"runtimeRef": {"name": "plain"}, "trainer": {"command": ["true"]}}
    typed = client.create(TRAINJOBS, {"metadata": {"name": "typed", "namespace": "default"}, "spec": spec})
    with pytest.raises(errors.UsageError, match="not sent by a cell: its program is in its YAML"):
        TrainJob(connection, typed).to_magic()
    job = send(prepared(client, "digits"))
    client.delete(SECRETS, bundle_secret(job.name), namespace="default")
    for form in (job.to_magic, job.to_sdk):
        with pytest.raises(errors.UsageError, match=f"cell of {job.name} is gone: the Secret {job.name}-bundle"):
            form()


def test_yaml_equals_the_sent_trainjob_and_names_its_secrets(client: Client) -> None:
    first = prepared(client, "digits --env A=1")
    job = send(first)
    text = job.to_yaml()
    again = yaml.safe_load(text)
    assert again["metadata"] == first.trainjob["metadata"]
    assert {key: again["spec"][key] for key in first.trainjob["spec"]} == first.trainjob["spec"]
    assert text.startswith(f"# The program and its values are in the Secrets that this mounts: {job.name}-bundle")


class Recorded:
    """A substitute for the SDK that records its arguments."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}

    def run(self, code: str) -> None:
        """Run exported code."""
        names: dict[str, Any] = {
            name: lambda *words, _name=name, **named: (_name, *words, named) if named else (_name, *words)
            for name in (
                "CustomTrainer",
                "CustomTrainerContainer",
                "KubernetesBackendConfig",
                "ActiveDeadlineSeconds",
                "TrainerCommand",
                "TrainerArgs",
            )
        }
        tree = ast.parse(code)
        tree.body = [node for node in tree.body if not isinstance(node, ast.ImportFrom)]

        def client(config: Any) -> Any:
            self.calls["where"] = config[1]
            return types.SimpleNamespace(get_runtime=lambda name: name, train=self._train)

        exec(compile(tree, "exported", "exec"), {**names, "TrainerClient": client, "__name__": "__main__"})

    def _train(self, **values: Any) -> str:
        self.calls |= values
        return "name"

    def output(self) -> str:
        """Return what the function prints."""
        trainer = self.calls["trainer"][1]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            trainer["func"](**(trainer.get("func_args") or {}))
        return printed.getvalue()


def test_sdk_code_passes_all_supported_options(client: Client) -> None:
    typed = (
        "--nodes 2 --gpus 2 --cpus 4 --memory 8Gi --env A=1 --deadline 1h --image a/b --procs-per-node 4 --retries 1"
    )
    code = send(prepared(client, typed)).to_sdk()
    recorded = Recorded()
    recorded.run(code)
    trainer = recorded.calls["trainer"][1]
    del trainer["func"]
    assert trainer == {
        "image": "a/b",
        "num_nodes": 2,
        "resources_per_node": {"gpu": 2, "cpu": "4", "memory": "8Gi"},
        "env": {"A": "1"},
    }
    assert recorded.calls["where"] == {"context": "elsewhere", "namespace": "default"}
    assert recorded.calls["runtime"] == "torch-distributed"
    assert recorded.calls["options"] == [("ActiveDeadlineSeconds", 3600)]
    for comment in ("no argument for --procs-per-node 4", "no argument for --retries 1"):
        assert comment in code


def test_sdk_code_leaves_out_memory_without_cpus(client: Client) -> None:
    code = send(prepared(client, "--memory 4Gi --cpus 1")).to_sdk()
    assert "'memory': '4Gi'" in code
    alone = prepare_on(
        Connection("elsewhere", client, "default"),
        capture_cell("1", {}, filename="Cell [1]"),
        job_options(runtime="plain", memory="1Gi", cpus=1),
    )
    wanted = alone.trainjob["spec"]["trainer"]["resourcesPerNode"]
    wanted["requests"]["cpu"] = "0"
    code = send(alone).to_sdk()
    assert "resources_per_node=" not in code
    assert "memory 1Gi is left out" in code


def test_sdk_code_of_a_yaml_job_has_a_container_trainer(client: Client) -> None:
    spec: KubeObject = {
        "runtimeRef": {"name": "plain"},
        "trainer": {
            "command": ["python"],
            "args": ["-c", "1"],
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        },
        "runtimePatches": [{"manager": "team.example/volumes"}, {"manager": KUEUE_PATCH_MANAGER}],
    }
    typed = client.create(TRAINJOBS, {"metadata": {"name": "typed", "namespace": "default"}, "spec": spec})
    code = TrainJob(Connection("elsewhere", client, "default"), typed).to_sdk()
    recorded = Recorded()
    recorded.run(code)
    assert recorded.calls["trainer"] == ("CustomTrainerContainer", {"image": ""})
    assert recorded.calls["options"] == [("TrainerCommand", ["python"]), ("TrainerArgs", ["-c", "1"])]
    for comment in ("come from Secrets", "runtimePatches are left out"):
        assert comment in code
    del typed["spec"]["runtimePatches"][0]
    assert "runtimePatches" not in TrainJob(Connection("elsewhere", client, "default"), typed).to_sdk()


CODES = [
    pytest.param("text = '''a\n  b'''\nprint(text)", "a\n  b\n", False, id="lines within a string stay"),
    pytest.param("text = f'''a\n  {1 + 1}\n b'''\nprint(text)", "a\n  2\n b\n", False, id="of an f-string as well"),
    pytest.param("def f(n):\n    return f(n - 1) if n else 'end'\nprint(f(3))", "end\n", False, id="functions"),
    pytest.param(
        "if True:\n\tprint('tab')\n\n# a comment\nprint([x for x in (1, 2)])", "tab\n[1, 2]\n", False, id="tabs"
    ),
    pytest.param("print('$HOME', '`ls`', 'a\\\\b')", "$HOME `ls` a\\b\n", True, id="text that a shell expands"),
    pytest.param("print('EOM')\n'''\nEOM\n'''", "EOM\n", True, id="the end marker of a here-document"),
    pytest.param("from math import *\nprint(floor(1.5))", "1\n", True, id="a star import"),
    pytest.param("n = 1\ndef f():\n    global n\n    n += 1\nf()\nprint(n)", "2\n", True, id="a global"),
    pytest.param("x = 1\nprint('x' in globals())", "True\n", True, id="access to globals()"),
    pytest.param("from __future__ import annotations\nprint(1)", "1\n", True, id="a future import"),
    pytest.param("print('\\'\\'\\'', \"\"\"'''$\"\"\")", "''' '''$\n", True, id="quotation marks of all kinds"),
    pytest.param("print('日本語 é')", "日本語 é\n", False, id="any letter"),
]


@pytest.mark.parametrize(("cell", "prints", "encoded"), CODES)
def test_sdk_code_runs_the_cell_unchanged(client: Client, cell: str, prints: str, encoded: bool) -> None:
    code = send(prepared(client, "--runtime plain", cell)).to_sdk()
    recorded = Recorded()
    recorded.run(code)
    assert ("func_args" in recorded.calls["trainer"][1]) is encoded
    if not encoded:
        assert not {"$", "`", "\\"} & set(code.partition("def train")[2].partition("client =")[0])
    else:
        sent = base64.b64decode(recorded.calls["trainer"][1]["func_args"]["cell"]).decode()
        assert cell in sent
    assert recorded.output() == prints


def test_cell_that_is_too_long_for_the_sdk_is_rejected(client: Client) -> None:
    with pytest.raises(errors.UsageError, match="too long for the SDK"):
        send(prepared(client, "", f"text = '{'x' * 100_000}'")).to_sdk()


def manifest(**changes: Any) -> Manifest:
    empty: dict[str, Any] = {
        "job": "j", "key": "", "kind": CELL, "source": "print(net.g())", "filename": "Cell [9]", "out": (),
        "values": (), "has_code": True, "python": "3.11", "versions": {}, "parts": (), "sources": {},
    }  # fmt: skip
    return Manifest(**{**empty, **changes})


HELPERS = Source(
    "Cell [3]", "import os\n@staticmethod\nclass Net:\n    a = 1\n\n    def g(self): return SCALE\nf = lambda: 1\n"
)


def test_values_of_the_cell_are_defined_before_it_and_missing_ones_are_named() -> None:
    bundle = manifest(
        sources={"<3>": HELPERS},
        recipes=(
            Recipe("np", "module", statement="import numpy as np"),
            Recipe("SCALE", "int", literal="3"),
            Recipe("Net", "type", label="Cell [3]", line=6),
            Recipe("other", "function", label="Cell [3]", line=7),
            Recipe("lost", "function", label="Cell [4]", line=1),
            Recipe("data", "ndarray"),
        ),
    )
    text = program_source.program_text(bundle)
    assert text == (
        "import numpy as np\nSCALE = 3\n@staticmethod\nclass Net:\n    a = 1\n\n    def g(self): return SCALE\n"
        "f = lambda: 1\nother = f\nprint(net.g())\n"
    )
    assert program_source.missing_values(bundle) == ["lost (function)", "data (ndarray)"]


def test_function_is_exported_with_its_call() -> None:
    bundle = manifest(
        kind=FUNCTION,
        source="    @trainjob(\n        nodes=2,\n    )\n    @cached\n    def train(data, lr): ...\n",
        filename="train()",
        recipes=(
            Recipe("train", "function", label="<gone>", line=1),
            Recipe("argument 1", "ndarray"),
            Recipe("argument lr", "float", literal="0.1"),
        ),
    )
    assert program_source.program_text(bundle) == "@cached\ndef train(data, lr): ...\ntrain(argument_1, lr=0.1)\n"
    assert program_source.missing_values(bundle) == ["argument_1 (ndarray)"]


def test_report_is_replaced_where_it_is_not_installed() -> None:
    text = program_source.program_text(manifest(source="from jupyter_trainjob import report\nreport(step=1)"))
    assert text.startswith("import importlib.util")
    assert "find_spec" not in program_source.program_text(manifest(source="1"))


def test_older_bundle_names_all_its_values_as_missing() -> None:
    captured = capture_cell("x + 1", {"x": 1}, filename="Cell [1]")
    assert isinstance(captured, Capture)
    old = manifest(values=captured.names)
    assert program_source.missing_values(old) == ["x (int)"]
