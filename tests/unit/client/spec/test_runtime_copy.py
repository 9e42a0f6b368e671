"""The copy of a runtime that a job with ``--retries`` has, on an in-process API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, SECRETS, TRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.spec import runtime_copy, runtimes
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import Prepared, prepare_on, send
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.apiserver.responses import Body
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response, Transport
from tests.paths import ROOT
from tests.waiting import patience

pytestmark = pytest.mark.slow

RUNTIME = yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text())


class Refusing:
    """A transport without the permission to create one kind."""

    def __init__(self, inner: Transport, plural: str) -> None:
        self._inner = inner
        self._plural = plural

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.method == "POST" and request.path.endswith(f"/{self._plural}"):
            status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"cannot create {self._plural}"}
            return Body(json.dumps(status).encode(), status=403)
        return self._inner.send(request, timeout=timeout)


class Lagging:
    """A transport whose admission webhook sees a new runtime only when it has refused two TrainJobs."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.refused = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.method == "POST" and request.path.endswith("/trainjobs") and self.refused < 2:
            self.refused += 1
            name = json.loads(request.body or b"")["spec"]["runtimeRef"]["name"]
            message = f'admission webhook denied the request: spec.runtimeRef: TrainingRuntime "{name}" not found'
            status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
            return Body(json.dumps(status).encode(), status=403)
        return self._inner.send(request, timeout=timeout)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[ApiServer]:
    store = Store(tmp_path / "store.db")
    core = ApiServer(store, version="0.0.0")
    Client(core).create(CLUSTERTRAININGRUNTIMES, RUNTIME)
    yield core
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=patience(60))
    store.close()


def nothing() -> None: ...


def prepared(client: Client, count: int) -> Prepared:
    connection = Connection("elsewhere", client, "default")
    return prepare_on(connection, capture_function(nothing, (), {}), job_options(runtime="plain", retries=count))


def names(client: Client) -> list[str]:
    lists = [client.list(kind, namespace="default").items for kind in (SECRETS, TRAININGRUNTIMES, TRAINJOBS)]
    return [obj["metadata"]["name"] for items in lists for obj in items]


def test_copy_differs_from_the_runtime_only_in_restarts() -> None:
    rules: KubeObject = {"failurePolicy": {"rules": [{"action": "FailJobSet"}]}}
    runtime = {**RUNTIME, "spec": {"template": {"spec": {**RUNTIME["spec"]["template"]["spec"], **rules}}}}
    copied = runtime_copy.own_copy(runtime, retries=3, job="a-b", namespace="n")
    assert copied["kind"] == "TrainingRuntime"
    assert copied["spec"]["template"]["spec"].pop("failurePolicy") == {**rules["failurePolicy"], "maxRestarts": 3}
    expected = {**runtime["spec"]["template"]["spec"]}
    del expected["failurePolicy"]
    assert copied["spec"]["template"]["spec"] == expected
    assert runtime["spec"]["template"]["spec"]["failurePolicy"] == rules["failurePolicy"], "the runtime is as it was"


def test_copy_is_owned_by_its_job_and_is_not_listed(core: ApiServer) -> None:
    client = Client(core)
    job = send(prepared(client, 2))
    (copied,) = client.list(TRAININGRUNTIMES, namespace="default").items
    assert copied["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"] == 2
    assert [owner["uid"] for owner in copied["metadata"]["ownerReferences"]] == [job.uid]
    stored = client.get(TRAINJOBS, job.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["name"] == copied["metadata"]["name"]
    with pytest.raises(errors.UsageError, match="Available: plain"):
        runtimes.find_runtime(Connection("elsewhere", client, "default"), "other", "default")


def test_missing_permission_raises_and_leaves_no_objects(core: ApiServer) -> None:
    client = Client(Refusing(core, TRAININGRUNTIMES.plural))
    with pytest.raises(errors.UsageError, match=r"--retries needs the permission .* cannot create trainingruntimes"):
        send(prepared(client, 1))
    assert names(client) == []
    assert send(prepared(client, 0)).name in names(client), "without retries it works"


def test_copy_is_deleted_if_the_job_is_rejected(core: ApiServer) -> None:
    client = Client(Refusing(core, TRAINJOBS.plural))
    with pytest.raises(errors.Forbidden):
        send(prepared(client, 1))
    assert names(client) == []


def test_job_is_sent_again_until_the_webhook_sees_the_copy(core: ApiServer) -> None:
    transport = Lagging(core)
    job = send(prepared(Client(transport), 2))
    assert transport.refused == 2
    assert job.name in names(Client(core))
