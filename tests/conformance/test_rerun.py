"""A rerun of a job: every server accepts the copy's objects and has stored what the copy reads."""

from __future__ import annotations

import threading

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_on, send
from jupyter_trainjob.client.trainjob import TrainJob
from tests.paths import ROOT
from tests.waiting import patience

from .server import Server, trainjob

RUNTIME = yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text())


@pytest.mark.parametrize("retries", [0, 2])
def test_copy_of_a_cells_job_has_its_own_secrets_and_runtime(server: Server, retries: int) -> None:
    server.create(TRAININGRUNTIMES, {"metadata": {"name": "plain"}, "spec": RUNTIME["spec"]})
    connection = Connection("elsewhere", server.client, server.namespace)
    captured = capture_cell("size", {"size": 3}, filename="Cell [1]")
    options = job_options(name="digits", runtime="plain", retries=retries, namespace=server.namespace)
    first = send(prepare_on(connection, captured, options))
    again = first.rerun()
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=patience(60))
    specs = [server.client.get(TRAINJOBS, job.name, namespace=server.namespace)["spec"] for job in (first, again)]
    for spec in specs:
        spec["runtimePatches"][0].pop("time", None)  # When it came, which a webhook writes.
    normalized = [
        yaml.safe_dump(spec).replace(job.name, "NAME") for spec, job in zip(specs, (first, again), strict=True)
    ]
    assert normalized[0] == normalized[1]
    owned = [
        obj["metadata"]
        for resource in (SECRETS, TRAININGRUNTIMES)
        for obj in server.client.list(resource, namespace=server.namespace).items
        if obj["metadata"]["name"].startswith(again.name)
    ]
    assert len(owned) == 2 + bool(retries)
    assert {obj["ownerReferences"][0]["uid"] for obj in owned} == {again.uid}
    assert again.to_magic().splitlines()[0].startswith("%%trainjob digits --runtime plain")


def test_copy_of_a_stopped_yaml_job_starts(server: Server) -> None:
    server.create(TRAININGRUNTIMES, {"metadata": {"name": "plain"}, "spec": RUNTIME["spec"]})
    reference = {"kind": "TrainingRuntime", "name": "plain"}
    stored = server.create(TRAINJOBS, trainjob("mnist", runtimeRef=reference, suspend=True))
    again = TrainJob(Connection("elsewhere", server.client, server.namespace), stored).rerun()
    spec = server.client.get(TRAINJOBS, again.name, namespace=server.namespace)["spec"]
    assert spec == {**stored["spec"], "suspend": False}


def test_job_with_a_deleted_runtime_reports_it(server: Server) -> None:
    stored = server.create(TRAINJOBS, trainjob("mnist", runtimeRef={"kind": "TrainingRuntime", "name": "lost"}))
    with pytest.raises(errors.UsageError, match="its runtime lost was deleted"):
        TrainJob(Connection("elsewhere", server.client, server.namespace), stored).rerun()
    assert len(server.client.list(TRAINJOBS, namespace=server.namespace).items) == 1
