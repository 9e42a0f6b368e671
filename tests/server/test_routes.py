"""The routes of the extension: their replies, errors and permissions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from tornado.httpclient import HTTPClientError

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, NAMESPACES, NODES, PODS, KubeObject
from jupyter_trainjob.client.context import use
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.cluster.apiserver.responses import error_response
from jupyter_trainjob.constants import CONTEXT_ENV
from tests.server.cluster import AWAY, NAME, Cluster

Fetch = Callable[..., Awaitable[Any]]
FORBIDDEN = {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": "you cannot"}
GETS = ["clusters", "namespaces", "capacity", "runtimes", "doctor", "metrics/default/none", "origin/default/none"]
POSTS = ["embedded", "form"]


async def get(jp_fetch: Fetch, route: str, **query: str) -> Any:
    answer = await jp_fetch("jupyter-trainjob", *route.split("/"), params=query)
    return json.loads(answer.body)


async def post(jp_fetch: Fetch, route: str, body: Any) -> Any:
    answer = await jp_fetch("jupyter-trainjob", route, method="POST", body=json.dumps(body))
    return json.loads(answer.body)


async def error_of(response: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(HTTPClientError) as caught:
        await response
    assert caught.value.response is not None
    return caught.value.code, json.loads(caught.value.response.body)["message"]


@pytest.mark.parametrize("route", [*GETS, *POSTS])
async def test_routes_need_a_login(jp_serverapp: Any, http_server_client: Any, jp_base_url: str, route: str) -> None:
    method = "POST" if route in POSTS else "GET"
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(
            f"{jp_base_url}jupyter-trainjob/{route}",
            method=method,
            body="{}" if method == "POST" else None,
            follow_redirects=False,
        )
    assert caught.value.code == 403


class ReadOnly(AllowAllAuthorizer):
    """Allows users to read jobs only."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "trainjob" or action == "read"


class TestReadPermissionOnly:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return {"ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}, "authorizer_class": ReadOnly}}

    async def test_changes_are_refused(self, jp_fetch: Fetch) -> None:
        for route in POSTS:
            code, message = await error_of(post(jp_fetch, route, {}))
            assert code == 403
            assert "not authorized to write on resource: trainjob" in message
        assert (await get(jp_fetch, "clusters"))["clusters"]


async def test_listing_clusters_starts_none(jp_fetch: Fetch, state_folder: Any) -> None:
    reply = (await get(jp_fetch, "clusters"))["clusters"]
    assert reply[0] == {
        "name": "trainjob-local",
        "place": "this computer",
        "embedded": True,
        "running": False,
        "namespace": "default",
        "chosen": True,
    }
    assert not state_folder.exists()


@pytest.mark.parametrize("route", ["namespaces", "capacity", "runtimes"])
async def test_unknown_context_is_an_error_and_an_unreachable_cluster_is_not(
    jp_fetch: Fetch, cluster: Cluster, route: str
) -> None:
    code, message = await error_of(get(jp_fetch, route, context="none"))
    assert code == 400
    assert "none" in message or "No cluster is configured" in message
    cluster.unreachable = True
    assert await get(jp_fetch, route, context=NAME) == {"away": AWAY}, "browsers log failed requests"


async def test_namespaces(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    reply = await get(jp_fetch, "namespaces", context=NAME)
    assert {"default", "team"} <= set(reply["namespaces"])
    assert reply["why"] == ""
    use(namespace="absent")
    assert "absent" not in (await get(jp_fetch, "namespaces", context=NAME))["namespaces"]


async def test_forbidden_lists_have_the_reason(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.respond = lambda _: error_response(errors.ApiError.of(403, FORBIDDEN))
    reply = await get(jp_fetch, "namespaces", context=NAME)
    assert reply["namespaces"] == ["default"]
    assert f"You may not list the namespaces of {NAME}: you cannot" in reply["why"]
    reply = await get(jp_fetch, "capacity", context=NAME)
    assert reply["nodes"] == []
    assert "You may not see what is free" in reply["why"]
    assert await error_of(get(jp_fetch, "runtimes", context=NAME)) == (403, "you cannot")


async def test_expired_credentials_are_reported(jp_fetch: Fetch, cluster: Cluster) -> None:
    status = {**FORBIDDEN, "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}
    cluster.respond = lambda _: error_response(errors.ApiError.of(401, status))
    reply = await get(jp_fetch, "namespaces", context=NAME)
    assert "log in again, as for kubectl" in reply["away"]
    code, message = await error_of(get(jp_fetch, "metrics/default/digits", context=NAME))
    assert code == 502, "401 would mean the login of the Jupyter server"
    assert "log in again, as for kubectl" in message


async def test_capacity_is_reduced_by_the_requests_of_pods(jp_fetch: Fetch, cluster: Cluster) -> None:
    allocatable = {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "4"}
    node = cluster.client.create(
        NODES, {"metadata": {"name": "a", "labels": {"nvidia.com/gpu.product": "H100"}}, "spec": {}}
    )
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
    cluster.client.patch(NODES, node["metadata"]["name"], {"status": status}, subresource="status")
    requests = {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}
    for name in ("one", "two"):
        container = {"name": "node", "image": "x", "command": ["true"], "resources": {"requests": requests}}
        spec = {"nodeName": "a", "containers": [container]}
        cluster.client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
    for name, requests in (("modest", {}), ("of-a-device", {"nvidia.com/gpu": "1"})):
        container = {"name": "node", "image": "x", "command": ["true"], "resources": {"requests": requests}}
        spec = {"nodeName": "a", "containers": [container]}
        cluster.client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
    cluster.client.patch(PODS, "two", {"status": {"phase": "Succeeded"}}, namespace="default", subresource="status")
    (node,) = (await get(jp_fetch, "capacity", context=NAME))["nodes"]
    assert node == {
        "name": "a",
        "ready": True,
        "cpu": [7.5, 8.0],
        "memory": [15 * 2**30, 16 * 2**30],
        "gpus": [2.0, 4.0],
        "unasked": 2,
        "gpu": "H100",
    }


async def test_metrics_of_an_unknown_job_are_not_found(jp_fetch: Fetch, cluster: Cluster) -> None:
    code, message = await error_of(get(jp_fetch, "metrics/default/nothing", context=NAME))
    assert code == 404
    assert "nothing" in message


async def test_metrics_have_null_for_nan_and_infinities(
    jp_fetch: Fetch, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.job("digits")
    columns = {"rank": [0, 0], "step": [1, 2], "loss": [0.5, float("nan")], "norm": [float("inf"), 1.0]}
    monkeypatch.setattr(TrainJob, "metrics", lambda _: columns)
    reply = await get(jp_fetch, "metrics/default/digits", context=NAME)
    assert reply == {"metrics": {"rank": [0, 0], "step": [1, 2], "loss": [0.5, None], "norm": [None, 1.0]}}


FORMS: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "%%trainjob"),
    "a size": ({"name": "train", "nodes": "8", "gpus": " 2 "}, "%%trainjob train --nodes 8 --gpus 2"),
    "an environment": ({"env": "A=1\n\nB=two words\n"}, "%%trainjob --env A=1 --env 'B=two words'"),
    "secrets": ({"secrets": "KEY, TOKEN=HF_TOKEN,"}, "%%trainjob --secret KEY --secret TOKEN=HF_TOKEN"),
    "defaults": ({"nodes": "1", "retries": "0", "runtime": "torch-distributed"}, "%%trainjob"),
    "names to come back": ({"out": "a, b"}, "%%trainjob --out a,b"),
    "braces": ({"env": "A={x}"}, "%%trainjob --env 'A={{x}}'"),
}


@pytest.mark.parametrize(("typed", "line"), FORMS.values(), ids=FORMS)
async def test_form_returns_the_line(jp_fetch: Fetch, cluster: Cluster, typed: dict[str, str], line: str) -> None:
    create_runtime(cluster, "torch-distributed")
    reply = await post(jp_fetch, "form", {"context": NAME, "namespace": None, "options": typed})
    assert reply["problems"] == []
    assert reply["line"] == f"{line} --context {NAME}"
    assert reply["full"] == f"{line} --context {NAME} --namespace default"


async def test_line_has_the_context_and_namespace_unless_they_are_the_defaults(
    jp_fetch: Fetch, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_runtime(cluster, "torch-distributed")
    monkeypatch.setenv(CONTEXT_ENV, NAME)
    for namespace, line in (("default", "%%trainjob"), ("team", "%%trainjob --namespace team")):
        for context in (None, NAME):
            reply = await post(jp_fetch, "form", {"context": context, "namespace": namespace, "options": {}})
            assert reply["line"] == line
            assert reply["full"] == f"%%trainjob --context {NAME} --namespace {namespace}"


async def test_form_refuses_an_unknown_runtime(jp_fetch: Fetch, cluster: Cluster) -> None:
    create_runtime(cluster, "torch-distributed")
    reply = await post(jp_fetch, "form", {"context": NAME, "options": {"runtime": "of-another-cluster"}})
    assert (reply["line"], reply["full"]) == ("", "")
    (problem,) = reply["problems"]
    assert problem["field"] == "runtime"
    assert f"There is no runtime 'of-another-cluster' on {NAME}. Available: torch-distributed" in problem["text"]


async def test_form_has_no_problems_if_the_cluster_is_unreachable(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.unreachable = True
    reply = await post(jp_fetch, "form", {"context": NAME, "options": {"nodes": "2"}})
    assert reply["problems"] == [], "the fields are valid"
    assert reply["line"] == f"%%trainjob --nodes 2 --context {NAME}"


def create_runtime(cluster: Cluster, runtime: str) -> None:
    """Create a runtime without replicated jobs."""
    spec: KubeObject = {"template": {"spec": {"replicatedJobs": []}}}
    cluster.client.create(CLUSTERTRAININGRUNTIMES, {"metadata": {"name": runtime}, "spec": spec})


PROBLEMS: dict[str, tuple[dict[str, str], str, str]] = {
    "no number": ({"nodes": "many"}, "nodes", "Write a whole number, such as 2"),
    "zero": ({"nodes": "0"}, "nodes", "at least 1"),
    "memory": ({"memory": "4 gigabytes"}, "memory", "4Gi"),
    "a name": ({"name": "a b"}, "name", "Python identifier"),
    "a name of Python's own": ({"name": "print"}, "name", "print_job"),
    "a name that asks for help": ({"name": "--help"}, "name", "Python identifier"),
    "a name that is an option": ({"name": "--wait"}, "name", "Python identifier"),
    "a variable like an option": ({"secrets": "--help"}, "secrets", "--help"),
    "a secret": ({"secrets": "a b"}, "secrets", "a b"),
    "a variable without a value": ({"env": "A"}, "env", "Write NAME=VALUE"),
    "a value that no line can quote": ({"env": "A=it's $HOME"}, "env", "quotation mark and a dollar sign"),
    "an unknown option": ({"speed": "3"}, "speed", "There is no option 'speed'"),
    "a value like an option": ({"image": "--wait"}, "image", ""),
}


@pytest.mark.parametrize(("typed", "field", "text"), PROBLEMS.values(), ids=PROBLEMS)
async def test_form_returns_the_field_of_a_problem(
    jp_fetch: Fetch, cluster: Cluster, typed: dict[str, str], field: str, text: str
) -> None:
    create_runtime(cluster, "torch-distributed")
    reply = await post(jp_fetch, "form", {"context": NAME, "options": {**typed, "gpus": "1"}})
    if field == "image":
        assert "--image=--wait" in reply["line"], "it is the value of its own option"
        return
    assert reply["line"] == ""
    assert [problem["field"] for problem in reply["problems"]] == [field]
    assert text in reply["problems"][0]["text"]
    assert "%%trainjob" not in reply["problems"][0]["text"], "the message concerns a form"


async def test_form_returns_what_does_not_fit(jp_fetch: Fetch, cluster: Cluster) -> None:
    create_runtime(cluster, "torch-distributed")
    cluster.client.create(NODES, {"metadata": {"name": "a"}, "spec": {}})
    status = {"status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}
    cluster.client.patch(NODES, "a", status, subresource="status")
    reply = await post(jp_fetch, "form", {"context": NAME, "options": {"cpus": "3"}})
    assert reply["problems"] == []
    assert "The nearest has 2 CPUs" in reply["fit"]


INVALID_FORMS: list[Any] = [[], {"options": 3}, {"options": {"nodes": 2}}, {"options": {}, "context": 3}]


@pytest.mark.parametrize("body", INVALID_FORMS, ids=str)
async def test_invalid_form_is_refused(jp_fetch: Fetch, body: Any) -> None:
    code, _ = await error_of(post(jp_fetch, "form", body))
    assert code == 400
