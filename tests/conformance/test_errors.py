"""Errors of unsupported requests and of missing credentials, as Status objects."""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlsplit

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, NAMESPACES, PODS, TRAINJOBS
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.transport import Request
from tests.waiting import patience

from .server import Answer, Server, trainjob


def is_failure(answer: Answer, code: int, reason: str) -> bool:
    """Return whether a response is a complete Status with this code and reason."""
    body = answer.body
    return (
        answer.status == body.get("code") == code
        and (body.get("kind"), body.get("apiVersion")) == ("Status", "v1")
        and (body.get("status"), body.get("reason")) == ("Failure", reason)
        and bool(body.get("message"))
    )


@pytest.mark.parametrize(
    "path",
    ["/apis/nonsense.example/v1/things", "/apis/trainer.kubeflow.org/v9/trainjobs", "/api/v1/things", "/nonsense"],
)
def test_unknown_kinds_versions_and_paths_are_404(server: Server, path: str) -> None:
    assert server.send("GET", path).status == 404


def test_an_unknown_subresource_is_404(server: Server) -> None:
    server.configmap("a")
    assert server.send("GET", server.path(CONFIGMAPS, "a", "nonsense")).status == 404


@pytest.mark.parametrize(
    ("method", "named"), [("PUT", False), ("PATCH", False), ("POST", True)], ids=["put all", "patch all", "post one"]
)
def test_unsupported_method_of_a_path_is_405(server: Server, method: str, *, named: bool) -> None:
    server.configmap("a")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = server.send(method, server.path(CONFIGMAPS, "a" if named else None), body, content_type=content_type)
    assert is_failure(answer, 405, "MethodNotAllowed")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_unknown_media_type_is_415(server: Server, method: str) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    path = server.path(TRAINJOBS, "t" if method == "PATCH" else None)
    answer = server.send(method, path, b"<xml/>", content_type="application/xml")
    assert is_failure(answer, 415, "UnsupportedMediaType")


def test_a_strategic_merge_patch_of_a_custom_kind_is_415(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    answer = server.send(
        "PATCH", server.path(TRAINJOBS, "t"), {}, content_type="application/strategic-merge-patch+json"
    )
    assert is_failure(answer, 415, "UnsupportedMediaType")


def test_each_violation_is_a_cause(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "Bad", "labels": {"bad key": "x"}}}
    answer = server.send("POST", server.path(CONFIGMAPS), body)
    assert is_failure(answer, 422, "Invalid")
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {"metadata.name", "metadata.labels"}
    assert answer.body["message"].startswith('ConfigMap "Bad" is invalid: [')


def test_yaml_body_is_accepted(server: Server) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: |\n    two\n    lines\n"
    answer = server.send("POST", server.path(CONFIGMAPS), text, content_type="application/yaml")
    assert answer.status == 201
    assert answer.body["data"] == {"k": "two\nlines\n"}


def test_body_over_three_mebibytes_is_413(server: Server) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "x" * (3 << 20)}}
    assert server.send("POST", server.path(CONFIGMAPS), body).status == 413


def test_server_version_is_accepted_by_clients(server: Server) -> None:
    version = server.send("GET", "/version").body
    assert version["major"] == "1"
    assert int(version["minor"].rstrip("+")) >= 29
    assert version["gitVersion"].startswith("v1.")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_health_endpoints_are_plain_text(server: Server, path: str) -> None:
    answer = server.send("GET", path)
    assert (answer.status, answer.body) == (200, {"text": "ok"})


def test_discovery_lists_every_kind_with_its_verbs(server: Server) -> None:
    assert "v1" in server.send("GET", "/api").body["versions"]
    groups = {entry["name"]: entry for entry in server.send("GET", "/apis").body["groups"]}
    assert groups["trainer.kubeflow.org"]["preferredVersion"]["groupVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert {"batch", "jobset.x-k8s.io"} <= set(groups)
    assert server.send("GET", "/apis/batch").body["kind"] == "APIGroup"
    listed = server.send("GET", "/apis/trainer.kubeflow.org/v1alpha1").body
    assert (listed["kind"], listed["groupVersion"]) == ("APIResourceList", "trainer.kubeflow.org/v1alpha1")
    resources = {entry["name"]: entry for entry in listed["resources"]}
    job = resources["trainjobs"]
    assert (job["kind"], job["namespaced"], job["singularName"]) == ("TrainJob", True, "trainjob")
    wanted = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert wanted <= set(job["verbs"])
    assert set(resources["trainjobs/status"]["verbs"]) >= {"get", "patch", "update"}
    assert resources["clustertrainingruntimes"]["namespaced"] is False
    core = {entry["name"]: entry for entry in server.send("GET", "/api/v1").body["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert {"pods/log", "pods/status", "pods/binding", "namespaces", "nodes", "secrets", "events"} <= set(core)


def test_table_is_returned_on_request(server: Server) -> None:
    server.create(TRAINJOBS, trainjob("t"))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    for resource, name in ((TRAINJOBS, "t"), (NAMESPACES, server.namespace)):
        response = server.transport.send(Request("GET", server.path(resource), accept=accept))
        table = json.loads(response.read())
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert table["columnDefinitions"][0]["name"] == "Name"
        rows = [row for row in table["rows"] if row["cells"][0] == name]
        assert len(rows) == 1
        assert rows[0]["object"]["kind"] == "PartialObjectMetadata"
        assert len(rows[0]["cells"]) == len(table["columnDefinitions"])


with_a_socket = pytest.mark.parametrize("server", ["embedded-http", "kubernetes"], indirect=True)


def connect(server: Server) -> http.client.HTTPSConnection:
    assert server.kubeconfig
    where = urlsplit(kubeconfig_file.load_transport(kubeconfig=server.kubeconfig).server)
    assert where.hostname
    return http.client.HTTPSConnection(
        where.hostname, where.port, context=ssl._create_unverified_context(), timeout=patience(60)
    )


@with_a_socket
@pytest.mark.parametrize("token", [None, "wrong", "x" * 5000], ids=["none", "wrong", "long"])
def test_token_is_required(server: Server, token: str | None) -> None:
    connection = connect(server)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection.request("GET", PODS.path("default"), headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    if token is None and server.name == "kubernetes":
        assert answer.status == 403  # the anonymous user, who may do nothing
    else:
        assert (answer.status, body["kind"], body["reason"]) == (401, "Status", "Unauthorized")


@with_a_socket
def test_server_certificate_is_verified_by_the_kubeconfig(server: Server) -> None:
    assert server.client.list(NAMESPACES).items  # a certificate of anybody else raises
    connection = connect(server)
    strict = http.client.HTTPSConnection(connection.host, connection.port, timeout=patience(60))
    with pytest.raises(ssl.SSLCertVerificationError):
        strict.request("GET", "/version")
    strict.close()
