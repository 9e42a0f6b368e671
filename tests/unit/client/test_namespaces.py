"""Errors for namespaces, jobs and contexts that do not exist, on an in-process API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, CONFIGMAPS, NAMESPACES, TRAINJOBS
from jupyter_trainjob.client import context, job_lookup, namespaces, queries
from jupyter_trainjob.client.context import Connection, namespace_for
from jupyter_trainjob.client.creation.create import create_job
from jupyter_trainjob.client.spec import runtimes
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.apiserver.responses import Body
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response, Transport
from jupyter_trainjob.widget.panel import panel
from tests.paths import ROOT

CLUSTER = "elsewhere"
RUNTIME = yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text())


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("TRAINJOB_STATE_DIR", str(tmp_path / "state"))
    store = Store(tmp_path / "store.db")
    client = Client(ApiServer(store, version="0.0.0"))
    client.create(CLUSTERTRAININGRUNTIMES, RUNTIME)
    for name in ("team-red", "team-blue"):
        client.create(NAMESPACES, {"metadata": {"name": name}})
    context.forget_connections()
    monkeypatch.setitem(context._connections, CLUSTER, Connection(CLUSTER, client, "default"))
    yield client
    context.forget_connections()
    store.close()


QUERIES: dict[str, Callable[[str], object]] = {
    "list_jobs": lambda namespace: queries.list_jobs(context=CLUSTER, namespace=namespace),
    "the overview": lambda namespace: job_lookup.list_snapshots(context=CLUSTER, namespace=namespace),
    "get": lambda namespace: queries.get("x", context=CLUSTER, namespace=namespace),
    "runtimes": lambda namespace: runtimes.list_runtimes(context=CLUSTER, namespace=namespace),
    "the panel": lambda namespace: panel(context=CLUSTER, namespace=namespace),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_missing_namespace_is_named_with_the_nearest(client: Client, query: Callable[[str], object]) -> None:
    with pytest.raises(errors.UsageError) as raised:
        query("team-rad")
    message = str(raised.value)
    assert message.startswith(
        "There is no namespace 'team-rad' on elsewhere. Did you mean team-red? Available: team-red,"
    )
    assert "--namespace" in message


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("name", ["Team_Red", "a/b", "-x", "x" * 64])
def test_invalid_namespace_name_raises_before_any_request(
    client: Client, query: Callable[[str], object], name: str
) -> None:
    with pytest.raises(errors.UsageError, match="cannot be the name of a namespace: it has at most 63 lower-case"):
        query(name)


def test_invalid_namespace_name_suggests_the_nearest(client: Client) -> None:
    with pytest.raises(errors.UsageError, match=r"Did you mean team-red\?"):
        namespace_for(Connection(CLUSTER, client, "default"), "Team_Red")
    with pytest.raises(errors.UsageError, match="cannot be the name of a namespace"):
        context.use(namespace="Team_Red")


def test_empty_namespace_has_no_jobs(client: Client) -> None:
    assert queries.list_jobs(context=CLUSTER, namespace="team-red") == []
    assert job_lookup.list_snapshots(context=CLUSTER, namespace="team-red") == []
    assert [runtime.name for runtime in runtimes.list_runtimes(context=CLUSTER, namespace="team-red")] == ["plain"]
    with pytest.raises(
        errors.UsageError, match=r"There is no job 'x' in team-red on elsewhere\. The namespace has no jobs"
    ):
        queries.get("x", context=CLUSTER, namespace="team-red")


def test_job_for_a_missing_namespace_is_rejected(client: Client) -> None:
    job = {"metadata": {"name": "a-1", "namespace": "team-rad"}, "spec": {}}
    secret = {"metadata": {"name": "a-1", "namespace": "team-rad"}}
    with pytest.raises(errors.UsageError, match="There is no namespace 'team-rad' on elsewhere"):
        create_job(Connection(CLUSTER, client, "default"), job, secrets=[secret])


FORBIDDEN = json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}).encode()


class Hiding:
    """A transport that forbids requests whose path matches."""

    def __init__(self, inner: Transport, hidden: Callable[[str], bool]) -> None:
        self._inner = inner
        self._hidden = hidden

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        return Body(FORBIDDEN, status=403) if self._hidden(request.path) else self._inner.send(request, timeout=timeout)


def test_without_permission_namespaces_are_not_suggested(client: Client) -> None:
    hiding = Client(Hiding(client._transport, lambda path: path.startswith("/api/v1/namespaces")))
    namespaces.check_namespace_exists(Connection(CLUSTER, hiding, "default"), "team-rad")
    some = Client(Hiding(client._transport, lambda path: path == "/api/v1/namespaces"))
    with pytest.raises(errors.UsageError, match=r"There is no namespace 'team-rad' on elsewhere\. Choose another"):
        namespaces.check_namespace_exists(Connection(CLUSTER, some, "default"), "team-rad")


def test_missing_job_lists_the_nearest_jobs_and_counts_the_others(client: Client) -> None:
    for name in ("digits-aaaaa", *(f"other-{number}" for number in range(9))):
        spec = {"runtimeRef": {"name": "plain"}, "trainer": {"numNodes": 1}}
        client.create(TRAINJOBS, {"metadata": {"name": name, "namespace": "team-red"}, "spec": spec})
    with pytest.raises(errors.UsageError) as raised:
        queries.get("digts", context=CLUSTER, namespace="team-red")
    message = str(raised.value)
    assert "Did you mean digits" in message
    assert "Available: digits-aaaaa, other-" in message
    assert message.endswith("and 5 more (`%trainjob list` shows all).")
    assert client.list(CONFIGMAPS, namespace="team-red").items == []


LISTED = {
    "none": ([], ""),
    "one": (["a"], " Available: a."),
    "all of a few": (["a", "b"], " Available: a, b."),
    "others keep their order": (["z", "a", "wordy"], " Available: wordy, z, a."),
    "one that is named alike but for its suffix": (["z", "word-x2x3x"], " Available: word-x2x3x, z."),
    "more than a few": (["a", "b", "c", "d", "e", "f", "g"], " Available: a, b, c, d, e and 2 more (there)."),
}


@pytest.mark.parametrize(("known", "sentence"), LISTED.values(), ids=LISTED)
def test_listed_names_start_with_the_nearest(known: list[str], sentence: str) -> None:
    assert errors.listed("word", known, rest=" (there)") == sentence


def test_missing_context_without_kubeconfig_names_the_embedded_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(errors.UsageError) as raised:
        context.connect("foo")
    message = str(raised.value)
    assert message.startswith("There is no context 'foo': ")
    assert "absent does not exist or has no contexts" in message
    assert "trainjob-local is the embedded cluster of this computer" in message
