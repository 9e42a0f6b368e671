"""The table of options: an added option is in the magic, in Python, in the form, in exports and in forks."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.client.commandline import job_arguments
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.decorator import trainjob
from jupyter_trainjob.client.spec.options import TABLE, FormField, Option, job_options, show_options
from jupyter_trainjob.client.submit import prepare_on, send, submit
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.magics import arguments
from jupyter_trainjob.server import job_form
from tests.paths import ROOT

LABEL = "example.com/team"


def write_team(trainjob: KubeObject, team: str) -> None:
    trainjob["metadata"]["labels"][LABEL] = team


def check_team(team: str) -> None:
    if not team.islower():
        raise errors.UsageError(f"--team {team}: write it in lower case.")


TEAM = Option(
    "team that pays for the job",
    metavar="T",
    flag="--team",
    check=check_team,
    form=FormField("Team", "such as vision"),
    write=write_team,
    read=lambda job: job.labels.get(LABEL),
)


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, "team", TEAM)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    store = Store(tmp_path / "store.db")
    client = Client(ApiServer(store, version="0.0.0"))
    client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text()))
    yield Connection("elsewhere", client, "default")
    store.close()


@pytest.mark.usefixtures("team")
def test_added_option_is_available_everywhere(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    # The magic: help, parsing, checks.
    parser = arguments.cell_parser()
    assert "--team T" in parser.format_help()
    assert "team that pays for the job" in parser.format_help()
    options = job_arguments.options_of(arguments.parse_line(parser, "digits --runtime plain --team vision"))
    with pytest.raises(errors.UsageError, match="lower case"):
        job_arguments.options_of(arguments.parse_line(parser, "digits --team Vision"))

    # Python: submit() and @trainjob take it, and show it.
    def sends(**options: object) -> None: ...

    assert inspect.signature(show_options(sends)).parameters["team"].default is None
    assert job_options(team="vision") == {**job_options(), "team": "vision"}
    with pytest.raises(errors.UsageError, match="lower case"):
        submit(print, team="Vision")  # type: ignore[call-arg]
    with pytest.raises(errors.UsageError, match="lower case"):
        trainjob(team="Vision")(print)()  # type: ignore[call-overload]

    # The TrainJob, its exports, and a fork.
    job = send(prepare_on(connection, capture_cell("1", {}, filename="Cell [1]"), options))
    stored = connection.client.get(TRAINJOBS, job.name, namespace="default")
    assert stored["metadata"]["labels"][LABEL] == "vision"
    assert job.to_magic().startswith("%%trainjob digits --runtime plain --context elsewhere --team vision\n")
    assert "has no argument for --team vision." in job.to_sdk()
    assert labels_of(connection, job.fork())[LABEL] == "vision"
    assert labels_of(connection, job.fork(team="audio"))[LABEL] == "audio"

    # The form: a field, the line, and what is wrong with it.
    monkeypatch.setattr(job_form, "connect_without_starting", lambda _: connection)
    field = {"name": "team", "label": "Team", "hint": "such as vision", "group": "more", "kind": "text", "default": ""}
    assert field in job_form.form_fields()
    form = job_form.draft_line({"runtime": "plain", "team": "vision"}, context="elsewhere", namespace=None)
    assert form["line"] == "%%trainjob --runtime plain --context elsewhere --team vision"
    form = job_form.draft_line({"team": "Vision"}, context="elsewhere", namespace=None)
    assert form["problems"] == [{"field": "team", "text": "Write it in lower case."}]


def labels_of(connection: Connection, job: TrainJob) -> dict[str, str]:
    labels: dict[str, str] = connection.client.get(TRAINJOBS, job.name, namespace="default")["metadata"]["labels"]
    return labels


def test_signature_of_submit_lists_the_options() -> None:
    parameters = inspect.signature(submit).parameters
    assert [*parameters] == ["fn", "args", "kwargs", *(name for name, option in TABLE.items() if not option.cells_only)]
    assert parameters["nodes"].default == 1
    assert [*inspect.signature(trainjob).parameters][1:] == [*parameters][3:]


def test_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(errors.UsageError, match=r"There is no option 'node'\. Did you mean nodes\?"):
        submit(print, node=2)  # type: ignore[call-arg]
    with pytest.raises(errors.UsageError, match=r"out is an option of cells: .* job.result\(\)"):
        submit(print, out=["x"])


def test_jupyterlab_settings_have_the_default_fields_of_the_form() -> None:
    schema = json.loads((ROOT / "labextension" / "schema" / "new-job.json").read_text())
    fields = {name: option.form for name, option in TABLE.items() if option.form and option.form.is_setting}
    assert {name: entry["title"] for name, entry in schema["properties"].items()} == {
        name: field.label for name, field in fields.items()
    }
