"""A job that is sent again: what the copy writes, every server takes, and what it reads, every server has kept."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import SECRETS, TRAININGRUNTIMES, TRAINJOBS
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_on, send

from .server import Server, trainjob

RUNTIME = yaml.safe_load((Path(__file__).parents[2] / "runtimes" / "plain.yaml").read_text())


@pytest.mark.parametrize("retries", [0, 2])
def test_the_copy_of_a_cells_job_has_secrets_and_a_runtime_of_its_own(server: Server, retries: int) -> None:
    server.create(TRAININGRUNTIMES, {"metadata": {"name": "plain"}, "spec": RUNTIME["spec"]})
    connection = Connection("elsewhere", server.client, server.namespace)
    captured = capture_cell("size", {"size": 3}, filename="Cell [1]")
    options = Options(name="digits", runtime="plain", retries=retries, namespace=server.namespace)
    first = send(prepare_on(connection, captured, options))
    again = first.rerun()
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=10)
    specs = [server.client.get(TRAINJOBS, job.name, namespace=server.namespace)["spec"] for job in (first, again)]
    for spec in specs:
        spec["runtimePatches"][0].pop("time", None)  # When it came, which a webhook writes.
    told = [yaml.safe_dump(spec).replace(job.name, "NAME") for spec, job in zip(specs, (first, again), strict=True)]
    assert told[0] == told[1]
    owned = [
        each["metadata"]
        for resource in (SECRETS, TRAININGRUNTIMES)
        for each in server.client.list(resource, namespace=server.namespace).items
        if each["metadata"]["name"].startswith(again.name)
    ]
    assert len(owned) == 2 + bool(retries)
    assert {each["ownerReferences"][0]["uid"] for each in owned} == {again.uid}
    assert again.to_magic().splitlines()[0].startswith("%%trainjob digits --runtime plain")


def test_the_copy_of_a_stopped_job_in_yaml_starts(server: Server) -> None:
    server.create(TRAININGRUNTIMES, {"metadata": {"name": "plain"}, "spec": RUNTIME["spec"]})
    reference = {"kind": "TrainingRuntime", "name": "plain"}
    stored = server.create(TRAINJOBS, trainjob("mnist", runtimeRef=reference, suspend=True))
    again = TrainJob(Connection("elsewhere", server.client, server.namespace), stored).rerun()
    spec = server.client.get(TRAINJOBS, again.name, namespace=server.namespace)["spec"]
    assert spec == {**stored["spec"], "suspend": False}


def test_a_job_whose_runtime_is_gone_says_so(server: Server) -> None:
    stored = server.create(TRAINJOBS, trainjob("mnist", runtimeRef={"kind": "TrainingRuntime", "name": "lost"}))
    with pytest.raises(errors.UsageError, match="its runtime lost is gone"):
        TrainJob(Connection("elsewhere", server.client, server.namespace), stored).rerun()
    assert len(server.client.list(TRAINJOBS, namespace=server.namespace).items) == 1
