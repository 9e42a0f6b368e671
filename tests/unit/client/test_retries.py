"""``--retries``: the job's own copy of its runtime, on an API server in process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, SECRETS, TRAININGRUNTIMES, TRAINJOBS, Object
from jupyter_trainjob.bundle.capture import capture_function
from jupyter_trainjob.client import retries, runtimes
from jupyter_trainjob.client.context import Connection
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import Prepared, prepare_on, send
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response, Transport

RUNTIME = yaml.safe_load((Path(__file__).parents[3] / "runtimes" / "plain.yaml").read_text())


@dataclass
class Refusal:
    """A response with status 403."""

    body: bytes
    status: int = 403
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> bytes:
        return self.body

    def __iter__(self) -> Iterator[bytes]:
        yield self.body

    def close(self) -> None: ...


class Refusing:
    """A transport on which the right to create one kind is missing."""

    def __init__(self, inner: Transport, plural: str) -> None:
        self._inner = inner
        self._plural = plural

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        if request.method == "POST" and request.path.endswith(f"/{self._plural}"):
            status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f"cannot create {self._plural}"}
            return Refusal(json.dumps(status).encode())
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
            return Refusal(
                json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}).encode()
            )
        return self._inner.send(request, timeout=timeout)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    store = Store(tmp_path / "store.db")
    core = Core(store, version="0.0.0")
    Client(core).create(CLUSTERTRAININGRUNTIMES, RUNTIME)
    yield core
    for thread in threading.enumerate():
        if thread.name == "trainjob-sweep":
            thread.join(timeout=60)
    store.close()


def nothing() -> None: ...


def prepared(client: Client, count: int) -> Prepared:
    connection = Connection("elsewhere", client, "default")
    return prepare_on(connection, capture_function(nothing, (), {}), Options(runtime="plain", retries=count))


def names(client: Client) -> list[str]:
    found = [client.list(kind, namespace="default").items for kind in (SECRETS, TRAININGRUNTIMES, TRAINJOBS)]
    return [obj["metadata"]["name"] for items in found for obj in items]


def test_the_copy_is_the_runtime_but_for_its_restarts() -> None:
    rules: Object = {"failurePolicy": {"rules": [{"action": "FailJobSet"}]}}
    runtime = {**RUNTIME, "spec": {"template": {"spec": {**RUNTIME["spec"]["template"]["spec"], **rules}}}}
    copied = retries.own_copy(runtime, retries=3, job="a-b", namespace="n")
    assert copied["kind"] == "TrainingRuntime"
    assert copied["spec"]["template"]["spec"].pop("failurePolicy") == {**rules["failurePolicy"], "maxRestarts": 3}
    expected = {**runtime["spec"]["template"]["spec"]}
    del expected["failurePolicy"]
    assert copied["spec"]["template"]["spec"] == expected
    assert runtime["spec"]["template"]["spec"]["failurePolicy"] == rules["failurePolicy"], "the runtime is as it was"


def test_the_copy_goes_with_its_job_and_is_no_runtime_to_choose(core: Core) -> None:
    client = Client(core)
    job = send(prepared(client, 2))
    (copied,) = client.list(TRAININGRUNTIMES, namespace="default").items
    assert copied["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"] == 2
    assert [owner["uid"] for owner in copied["metadata"]["ownerReferences"]] == [job.uid]
    stored = client.get(TRAINJOBS, job.name, namespace="default")
    assert stored["spec"]["runtimeRef"]["name"] == copied["metadata"]["name"]
    with pytest.raises(errors.UsageError, match="There is: plain"):
        runtimes.find(Connection("elsewhere", client, "default"), "other", "default")


def test_where_the_right_is_missing_it_is_refused_with_the_reason_and_nothing_stays(core: Core) -> None:
    client = Client(Refusing(core, TRAININGRUNTIMES.plural))
    with pytest.raises(errors.UsageError, match=r"--retries needs the right .* cannot create trainingruntimes"):
        send(prepared(client, 1))
    assert names(client) == []
    assert send(prepared(client, 0)).name in names(client), "without retries it works"


def test_the_copy_goes_again_where_the_job_is_refused(core: Core) -> None:
    client = Client(Refusing(core, TRAINJOBS.plural))
    with pytest.raises(errors.Forbidden):
        send(prepared(client, 1))
    assert names(client) == []


def test_a_webhook_that_does_not_see_the_copy_yet_is_asked_again(core: Core) -> None:
    transport = Lagging(core)
    job = send(prepared(Client(transport), 2))
    assert transport.refused == 2
    assert job.name in names(Client(core))
