"""Objects that are sent for a job have no field with an explicit empty value, for any options.

Controllers in Go drop such fields when they write a TrainJob back, which Trainer refuses as a change of an immutable
field: with Kueue such a job never starts.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, NODES, TRAINJOBS, KubeObject
from jupyter_trainjob.bundle import storage_location
from jupyter_trainjob.bundle.capture import capture_cell
from jupyter_trainjob.bundle.delivery import build_delivery
from jupyter_trainjob.bundle.job_secrets import read_values
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec.assemble import assemble
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_on, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.constants import EMBEDDED_CONTEXT, STATE_DIR_ENV
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response
from tests.paths import ROOT
from tests.waiting import patience

RUNTIMES = ROOT / "runtimes"
POINTERS = frozenset({"emptyDir", "torch", "resourcesPerNode"})
"""Fields whose empty value Go keeps, since they are pointers."""
SIZES: dict[str, tuple[Any, ...]] = {
    "gpus": (None, 0, 2),
    "cpus": (None, 2),
    "memory": (None, "1Gi"),
    "procs_per_node": (None, 1),
    "image": (None, "a/b:1"),
}
"""Options that set the resources of the trainer."""
OTHERS: dict[str, tuple[Any, ...]] = {
    "env": ({}, {"A": ""}, {"A": "b", "C": ""}),
    "deadline": (None, "1h"),
    "retries": (0, 2),
    "secrets": ((), ("KEY",)),
    "storage": (None, "pvc://claim", "pvc://claim/a/b", "s3://bucket/a"),
}
COMBINED = [
    dict(zip(choices, chosen, strict=True))
    for choices in (SIZES, OTHERS)
    for chosen in itertools.product(*choices.values())
]


class Recording:
    """A transport that keeps the objects and patches that it carries, with their resource."""

    def __init__(self, core: ApiServer) -> None:
        self._core = core
        self.sent: list[tuple[str, KubeObject]] = []

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send a request."""
        if request.method in ("POST", "PATCH"):
            path = request.path.partition("/namespaces/default/")[2]
            self.sent.append((path.partition("/")[0], json.loads(request.body or b"{}")))
        return self._core.send(request, timeout=timeout)


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Recording]:
    store = Store(tmp_path / "store.db")
    yield Recording(ApiServer(store, version="0.0.0"))
    store.close()


@pytest.fixture
def client(transport: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    client = Client(transport)
    for name in ("plain", "torch-distributed"):
        client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load((RUNTIMES / f"{name}.yaml").read_text()))
    size = {"cpu": "64", "memory": "256Gi", "nvidia.com/gpu": "8"}
    status = {"capacity": size, "allocatable": size}
    client.create(NODES, {"metadata": {"name": "n"}, "status": status})
    client.patch(NODES, "n", {"status": status}, subresource="status")
    transport.sent.clear()
    yield client
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=patience(60))


def empty(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that hold null, nothing, false, or an empty text, list or map."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        here = f"{path}.{key}"
        if key not in POINTERS and isinstance(value, dict) and (item is None or item is False or item in ("", [], {})):
            yield here
        yield from empty(item, here)


def test_objects_have_no_empty_values_for_any_combination_of_options(client: Client) -> None:
    secrets = {names: read_values(names, {"KEY": "v" * 20}) for names in OTHERS["secrets"]}
    captures = {
        names: capture_cell("KEY", {"KEY": "v" * 20}, filename="Cell [1]", secrets=values)
        for names, values in secrets.items()
    }
    runtimes = client.list(CLUSTERTRAININGRUNTIMES).items
    connections = [Connection(name, client, "default") for name in ("elsewhere", EMBEDDED_CONTEXT)]
    for connection, runtime, chosen in itertools.product(connections, runtimes, COMBINED):
        options = job_options(nodes=2, runtime=runtime["metadata"]["name"], **chosen)
        delivery = build_delivery(
            captures[tuple(options["secrets"])],
            job_archive=b"archive",
            key=b"key",
            name="a-b",
            namespace="default",
            runtime=runtime,
            folder=Path("/a") if connection.embedded else None,
            storage=storage_location.parse_storage(options["storage"]) if options["storage"] else None,
            python="/bin/python" if connection.embedded else None,
            env=options["env"],
        )
        objects = assemble(
            connection,
            options,
            runtime,
            name="a-b",
            namespace="default",
            command=delivery.command,
            env=delivery.env,
            patches=[delivery.patch],
        )
        for sent in (objects.trainjob, objects.runtime, *delivery.secrets):
            assert list(empty(sent)) == [], chosen


def test_reruns_and_forks_have_no_empty_values(client: Client, transport: Recording) -> None:
    secrets = read_values(("KEY",), {"KEY": "v" * 20})
    captured = capture_cell("KEY, x", {"KEY": "v" * 20, "x": 1}, filename="Cell [1]", secrets=secrets)
    options = job_options(name="digits", runtime="plain", env={"A": ""}, retries=1, secrets=("KEY",))
    job = send(prepare_on(Connection("elsewhere", client, "default"), captured, options))
    job.rerun()
    job.fork(x=2, env={"B": ""})
    assert {resource for resource, _ in transport.sent} == {"secrets", "trainingruntimes", "trainjobs"}
    assert [path for _, body in transport.sent for path in empty(body)] == []


def test_rerun_and_export_of_a_yaml_job_drop_empty_values(client: Client) -> None:
    mounts = [{"name": "v", "mountPath": "/v", "readOnly": False}]
    pod = {
        "spec": {"containers": [{"name": "node", "volumeMounts": mounts}], "volumes": [{"name": "v", "emptyDir": {}}]}
    }
    replicated = [{"name": "node", "template": {"spec": {"template": pod}}}]
    spec = {
        "runtimeRef": {"name": "plain"},
        "trainer": {"command": ["true"], "args": [], "env": [], "resourcesPerNode": {"limits": {}}},
        "runtimePatches": [
            {
                "manager": "team.example/volumes",
                "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": replicated}}},
            }
        ],
    }
    stored = client.create(TRAINJOBS, {"metadata": {"name": "typed"}, "spec": spec}, namespace="default")
    job = TrainJob(Connection("elsewhere", client, "default"), stored)
    again = client.get(TRAINJOBS, job.rerun().name, namespace="default")["spec"]
    exported = yaml.safe_load(job.to_yaml())["spec"]
    for sent_spec in (again, exported):
        assert sent_spec["trainer"] == {"command": ["true"], "resourcesPerNode": {}}
        (patch,) = sent_spec["runtimePatches"]
        (job_patch,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
        assert job_patch["template"]["spec"]["template"]["spec"] == {
            "containers": [{"name": "node", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        }


def test_trainjob_does_not_set_the_grace_period_of_pods(client: Client) -> None:
    """Kueue drops it from a patch, and JobSet rejects the resulting change."""
    captured = capture_cell("1", {}, filename="Cell [1]")
    prepared = prepare_on(Connection("elsewhere", client, "default"), captured, job_options(runtime="plain"))
    assert "terminationGracePeriodSeconds" not in yaml.safe_dump(prepared.trainjob)
