"""Lists, pages, Tables, logs, discovery and error responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import ALL, CONFIGMAPS, NODES, PODS, SERVICES, TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.apiserver import tables
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.apiserver.requests import paths
from jupyter_trainjob.cluster.apiserver.requests.paths import Target
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

NS = "default"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def ask(core: ApiServer, path: str, query: dict[str, str] | None = None, **options: Any) -> tuple[int, Any]:
    response = core.send(Request("GET", path, query or {}, **options))
    return response.status, json.loads(response.read())


def make(client: Client, *names: str) -> None:
    for name in names:
        client.create(CONFIGMAPS, {"metadata": {"name": name}}, namespace=NS)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target(PODS)),
        ("/api/v1/namespaces/n/pods", Target(PODS, "n")),
        ("/api/v1/namespaces/n/pods/p", Target(PODS, "n", "p")),
        ("/api/v1/namespaces/n/pods/p/log", Target(PODS, "n", "p", "log")),
        ("/api/v1/nodes/n", Target(NODES, None, "n")),
        ("/apis/trainer.kubeflow.org/v1alpha1/namespaces/n/trainjobs/t", Target(TRAINJOBS, "n", "t")),
        ("/api/v1/pods/p", None),
        ("/api/v1/namespaces/n/nodes", None),
        ("/apis/trainer.kubeflow.org/v1/trainjobs", None),
        ("/api/v1/namespaces//pods", None),
        ("/api/v1/namespaces/n/pods/p/a/b", None),
        ("/api/v1", None),
        ("/", None),
    ],
)
def test_parse_path(path: str, target: Target | None) -> None:
    assert paths.parse_path(path) == target


@pytest.mark.parametrize("name", ["n", "status", "pods"])
def test_parse_path_of_namespaces(name: str) -> None:
    for path, subresource in (
        (f"/api/v1/namespaces/{name}", None),
        (f"/api/v1/namespaces/{name}/finalize", "finalize"),
    ):
        target = paths.parse_path(path)
        assert target is not None
        assert (target.resource.kind, target.name, target.subresource) == ("Namespace", name, subresource)


def test_every_served_resource_is_found_at_its_path() -> None:
    for resource in ALL:
        namespace = "n" if resource.namespaced else None
        assert paths.parse_path(resource.path(namespace, "x")) == Target(resource, namespace, "x")


def test_list_returns_the_stored_bytes(core: ApiServer, client: Client) -> None:
    make(client, "b", "a")
    status, answer = ask(core, CONFIGMAPS.path(NS))
    assert (status, answer["kind"], answer["apiVersion"]) == (200, "ConfigMapList", "v1")
    assert answer["items"] == [client.get(CONFIGMAPS, name, namespace=NS) for name in "ab"]


def test_continue_returns_the_next_page(core: ApiServer, client: Client) -> None:
    make(client, *"abcde")
    query = {"limit": "2"}
    pages = []
    while True:
        _, answer = ask(core, CONFIGMAPS.path(NS), query)
        pages.append("".join(obj["metadata"]["name"] for obj in answer["items"]))
        make(client, f"aa{len(pages)}")
        token = answer["metadata"].get("continue")
        if not token:
            break
        query = {"limit": "2", "continue": token}
    assert pages == ["ab", "cd", "e"]


def test_page_of_a_compacted_version_is_410(core: ApiServer, client: Client, store: Store) -> None:
    make(client, *"abc")
    _, answer = ask(core, CONFIGMAPS.path(NS), {"limit": "1"})
    make(client, *"de")
    store.compact(store.version)
    status, refusal = ask(core, CONFIGMAPS.path(NS), {"continue": answer["metadata"]["continue"]})
    assert (status, refusal["reason"]) == (410, "Expired")


@pytest.mark.slow
def test_ten_thousand_objects_are_listed_without_parsing_them(
    core: ApiServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10_000):
        obj = {"metadata": {"name": f"c{number}", "namespace": NS, "labels": {"odd": str(number % 2)}}}
        store.put(CONFIGMAPS.qualified, obj, fields={}, expected=0)
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail(f"parsed {text[:60]!r}"))
    for query in ({}, {"labelSelector": "odd=1"}):
        body = core.send(Request("GET", CONFIGMAPS.path(NS), query)).read()
        assert body.count(b'"resourceVersion"') == (5_000 if query else 10_000) + 1


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/api/v1/namespaces/default/pods/none", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/sandwiches", 404, "NotFound"),
        ("GET", "/apis/apps/v1/namespaces/default/deployments", 404, "NotFound"),
        ("GET", "/nothing", 404, "NotFound"),
        ("POST", "/api/v1/pods", 405, "MethodNotAllowed"),
        ("PUT", "/api/v1/namespaces/default/pods", 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("GET", "/api/v1/namespaces/default/pods/p/exec", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/pods/p/binding", 405, "MethodNotAllowed"),
        ("GET", "/api/v1/namespaces/default/configmaps/c/status", 404, "NotFound"),
    ],
)
def test_unserved_paths_and_methods_are_errors(core: ApiServer, method: str, path: str, code: int, reason: str) -> None:
    response = core.send(Request(method, path))
    status = json.loads(response.read())
    assert (response.status, status["kind"], status["reason"], status["code"]) == (code, "Status", reason, code)


def test_client_that_accepts_only_protobuf_gets_406(core: ApiServer) -> None:
    status, _ = ask(core, PODS.path(NS), accept="application/vnd.kubernetes.protobuf")
    assert status == 406
    status, _ = ask(core, PODS.path(NS), accept="application/vnd.kubernetes.protobuf,application/json")
    assert status == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"watch": "1", "sendInitialEvents": "true"}, 422),
        ({"watch": "1", "resourceVersion": "x"}, 400),
        ({"watch": "1", "timeoutSeconds": "x"}, 400),
        ({"limit": "x"}, 400),
        ({"continue": "x"}, 400),
        ({"labelSelector": "a b"}, 400),
        ({"fieldSelector": "a=b"}, 400),
    ],
)
def test_invalid_queries_are_rejected(core: ApiServer, query: dict[str, str], code: int) -> None:
    assert ask(core, PODS.path(NS), query)[0] == code


class TestTables:
    def test_kubectl_gets_columns_and_cells(self, core: ApiServer, client: Client) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, namespace=NS)
        _, table = ask(core, PODS.path(NS), accept=TABLE)
        narrow = [column["name"] for column in table["columnDefinitions"] if not column["priority"]]
        assert (table["kind"], narrow) == ("Table", ["Name", "Ready", "Status", "Restarts", "Age"])
        assert table["rows"][0]["cells"][:4] == ["p", "0/1", "Pending", "0"]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        _, one = ask(core, PODS.path(NS, "p"), {"includeObject": "Object"}, accept=TABLE)
        assert one["rows"][0]["object"]["spec"]["containers"]

    def test_watch_sends_tables(self, core: ApiServer, client: Client) -> None:
        make(client, "a")
        response = core.send(Request("GET", CONFIGMAPS.path(NS), {"watch": "1"}, accept=TABLE))
        event = json.loads(next(iter(response)))
        response.close()
        assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
        assert event["object"]["rows"][0]["cells"][0] == "a"

    @pytest.mark.parametrize("resource", ALL, ids=lambda resource: resource.kind)
    def test_every_kind_prints_an_empty_object(self, resource: Any) -> None:
        table = tables.build_table(resource, [{"metadata": {"name": "x"}, "spec": {}}], "1", include="None")
        assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
        assert "x" in table["rows"][0]["cells"]

    @pytest.mark.parametrize(
        ("pod_status", "word"),
        [
            ({"phase": "Running"}, "Running"),
            ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
            ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "ContainerCreating"),
            ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
            ({"containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}, "Signal:9"),
            ({"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, "ExitCode:3"),
            ({"initContainerStatuses": [{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}, "Init:Error"),
            ({"initContainerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}]}, "Init:0/1"),
            (
                {"initContainerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
                "Init:CrashLoopBackOff",
            ),
            ({"phase": "Running", "initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}, "Running"),
        ],
    )
    def test_status_cell_of_a_pod(self, pod_status: KubeObject, word: str) -> None:
        spec = {"initContainers": [{"name": "i"}]}
        pod = {"metadata": {"name": "p"}, "spec": spec, "status": pod_status}
        assert tables.build_table(PODS, [pod], "1", include="None")["rows"][0]["cells"][2] == word

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0s"), (119, "119s"), (125, "2m5s"), (3600, "60m"), (4 * 3600 + 60, "4h1m"), (30 * 3600, "30h")],
    )
    def test_format_age(self, seconds: int, text: str) -> None:
        end = f"2024-01-0{1 + seconds // 86400}T{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"
        assert tables.format_age("2024-01-01T00:00:00Z", end) == text

    def test_ports_and_selectors_cells(self) -> None:
        spec = {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}], "selector": {"a": "b"}}
        cells = tables.build_table(SERVICES, [{"metadata": {"name": "s"}, "spec": spec}], "1", include="None")["rows"][
            0
        ]["cells"]
        assert {"80/TCP,53/UDP", "a=b"} <= set(cells)


class TestDiscovery:
    def test_every_kind_is_listed_in_its_group(self, core: ApiServer) -> None:
        for resource in ALL:
            root = f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1"
            entries = ask(core, root)[1]["resources"]
            assert resource.plural in [entry["name"] for entry in entries]
        groups = [group["name"] for group in ask(core, "/apis")[1]["groups"]]
        assert groups == sorted({resource.group for resource in ALL} - {""})

    def test_openapi_has_the_field_validation_parameter(self, core: ApiServer) -> None:
        index = ask(core, "/openapi/v3")[1]["paths"]
        assert set(index) == {f"apis/{resource.api_version}" if resource.group else "api/v1" for resource in ALL}
        document = ask(core, "/openapi/v3/apis/trainer.kubeflow.org/v1alpha1")[1]
        patch = document["paths"][TRAINJOBS.path("{namespace}", "{name}")]["patch"]
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "TrainJob"
        assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]

    def test_openapi_v2_is_empty(self, core: ApiServer) -> None:
        answer = core.send(Request("GET", "/openapi/v2"))
        assert (answer.status, answer.read()) == (200, b"")
        assert answer.headers["content-type"].startswith("application/com.github.proto-openapi.spec.v2")

    @pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/ping"])
    def test_health_endpoints(self, core: ApiServer, path: str) -> None:
        assert core.send(Request("GET", path)).read() == b"ok"

    def test_version_document(self, core: ApiServer) -> None:
        assert ask(core, "/version")[1]["gitVersion"].endswith("+jupyter-trainjob-0.0.0")


class Lines:
    """A log source of two lines that records its arguments."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.closed = False

    def open(self, pod: KubeObject, **options: Any) -> Lines:
        self.arguments = {"pod": pod["metadata"]["name"], **options}
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"one\n", b"two\n")

    def close(self) -> None:
        self.closed = True


class TestLogs:
    def pod(self, client: Client, *containers: str, node: str = "n1") -> None:
        spec = {"nodeName": node, "containers": [{"name": name, "image": "i"} for name in containers]}
        client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, namespace=NS)

    def test_log_options_are_passed_to_the_source(self, core: ApiServer, client: Client) -> None:
        core.logs = lines = Lines()
        self.pod(client, "c")
        stream = client.logs("p", namespace=NS, follow=True, timestamps=True, tail_lines=5)
        assert list(stream) == [b"one", b"two"]
        stream.close()
        assert lines.closed
        assert lines.arguments == {
            "pod": "p",
            "container": "c",
            "follow": True,
            "timestamps": True,
            "tail_lines": 5,
            "since_time": None,
            "limit_bytes": None,
            "previous": False,
        }

    def test_container_must_be_named_if_there_are_several(self, core: ApiServer, client: Client) -> None:
        core.logs = Lines()
        self.pod(client, "a", "b")
        with pytest.raises(errors.BadRequest, match=r"choose one of: \[a b\]"):
            client.logs("p", namespace=NS)
        with pytest.raises(errors.BadRequest, match="container x is not valid"):
            client.logs("p", namespace=NS, container="x")
        assert list(client.logs("p", namespace=NS, container="b")) == [b"one", b"two"]

    def test_pod_without_a_node_has_an_empty_log(self, core: ApiServer, client: Client) -> None:
        core.logs = Lines()
        self.pod(client, "a", node="")
        assert list(client.logs("p", namespace=NS)) == []

    def test_log_of_a_missing_pod_is_404(self, client: Client) -> None:
        with pytest.raises(errors.NotFound):
            client.logs("p", namespace=NS)

    def test_since_seconds_become_since_time(self, core: ApiServer, client: Client) -> None:
        core.logs = lines = Lines()
        self.pod(client, "c")
        core.send(Request("GET", PODS.path(NS, "p", "log"), {"sinceSeconds": "10", "limitBytes": "7"}))
        assert lines.arguments["since_time"].endswith("Z")
        assert lines.arguments["limit_bytes"] == 7
        both = {"sinceSeconds": "10", "sinceTime": "2024-01-01T00:00:00Z"}
        assert core.send(Request("GET", PODS.path(NS, "p", "log"), both)).status == 400


def test_closed_store_is_503(core: ApiServer, store: Store) -> None:
    store.close()
    assert ask(core, PODS.path(NS))[0] == 503


def test_unexpected_exception_is_500(core: ApiServer, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Lines):
        def open(self, pod: KubeObject, **options: Any) -> Lines:
            raise RuntimeError("broken")

    core.logs = Broken()
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, namespace=NS)
    with pytest.raises(errors.ServerError, match="broken"):
        client.logs("p", namespace=NS)
    assert "failed" in caplog.text
