"""The routes of the extension: what they answer, and whom they refuse."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from tornado.httpclient import HTTPClientError

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, NAMESPACES, NODES, PODS, Object
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.cluster.apiserver.responses import refusal
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


async def refused(asked: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(HTTPClientError) as caught:
        await asked
    assert caught.value.response is not None
    return caught.value.code, json.loads(caught.value.response.body)["message"]


@pytest.mark.parametrize("route", [*GETS, *POSTS])
async def test_who_is_not_logged_in_is_refused(
    jp_serverapp: Any, http_server_client: Any, jp_base_url: str, route: str
) -> None:
    method = "POST" if route in POSTS else "GET"
    with pytest.raises(HTTPClientError) as caught:
        await http_server_client.fetch(
            f"{jp_base_url}jupyter-trainjob/{route}",
            method=method,
            body="{}" if method == "POST" else None,
            follow_redirects=False,
        )
    assert caught.value.code == 403


class ReadsOnly(AllowAllAuthorizer):
    """Lets everybody look, and nobody change anything of ours."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "trainjob" or action == "read"


class TestWhoMayOnlyLook:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return {"ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}, "authorizer_class": ReadsOnly}}

    async def test_changes_nothing(self, jp_fetch: Fetch) -> None:
        for route in POSTS:
            code, message = await refused(post(jp_fetch, route, {}))
            assert code == 403
            assert "not authorized to write on resource: trainjob" in message
        assert (await get(jp_fetch, "clusters"))["clusters"]


async def test_clusters_are_listed_and_none_is_started(jp_fetch: Fetch, state_folder: Any) -> None:
    found = (await get(jp_fetch, "clusters"))["clusters"]
    assert found[0] == {
        "name": "trainjob-local",
        "place": "this computer",
        "embedded": True,
        "running": False,
        "namespace": "default",
        "chosen": True,
    }
    assert not state_folder.exists()


@pytest.mark.parametrize("route", ["namespaces", "capacity", "runtimes"])
async def test_a_context_that_there_is_not_and_one_that_is_away(jp_fetch: Fetch, cluster: Cluster, route: str) -> None:
    code, message = await refused(get(jp_fetch, route, context="none"))
    assert code == 400
    assert "none" in message or "No cluster to talk to" in message
    cluster.away = True
    assert await refused(get(jp_fetch, route, context=NAME)) == (502, AWAY)


async def test_namespaces(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    found = await get(jp_fetch, "namespaces", context=NAME)
    assert {"default", "team"} <= set(found["namespaces"])
    assert found["why"] == ""


async def test_what_one_may_not_list_is_said_and_is_no_error(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.answers = lambda _: refusal(errors.ApiError.of(403, FORBIDDEN))
    found = await get(jp_fetch, "namespaces", context=NAME)
    assert found["namespaces"] == ["default"]
    assert f"You may not list the namespaces of {NAME}: you cannot" in found["why"]
    found = await get(jp_fetch, "capacity", context=NAME)
    assert found["nodes"] == []
    assert "You may not see what is free" in found["why"]
    assert await refused(get(jp_fetch, "runtimes", context=NAME)) == (403, "you cannot")


async def test_credentials_that_have_expired_are_told_as_that(jp_fetch: Fetch, cluster: Cluster) -> None:
    status = {**FORBIDDEN, "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}
    cluster.answers = lambda _: refusal(errors.ApiError.of(401, status))
    code, message = await refused(get(jp_fetch, "namespaces", context=NAME))
    assert code == 502, "the page's own login is well"
    assert "log in again, as for kubectl" in message


async def test_capacity_is_what_pods_leave(jp_fetch: Fetch, cluster: Cluster) -> None:
    allocatable = {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "4"}
    made = cluster.client.create(
        NODES, {"metadata": {"name": "a", "labels": {"nvidia.com/gpu.product": "H100"}}, "spec": {}}
    )
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
    cluster.client.patch(NODES, made["metadata"]["name"], {"status": status}, subresource="status")
    requests = {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"}
    for name in ("one", "two"):
        container = {"name": "node", "image": "x", "command": ["true"], "resources": {"requests": requests}}
        spec = {"nodeName": "a", "containers": [container]}
        cluster.client.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace="default")
    modest = {"nodeName": "a", "containers": [{"name": "node", "image": "x", "command": ["true"]}]}
    cluster.client.create(PODS, {"metadata": {"name": "modest"}, "spec": modest}, namespace="default")
    cluster.client.patch(PODS, "two", {"status": {"phase": "Succeeded"}}, namespace="default", subresource="status")
    (node,) = (await get(jp_fetch, "capacity", context=NAME))["nodes"]
    assert node == {
        "name": "a",
        "ready": True,
        "cpu": [7.5, 8.0],
        "memory": [15 * 2**30, 16 * 2**30],
        "gpus": [3.0, 4.0],
        "unasked": 1,
        "gpu": "H100",
    }


async def test_metrics_of_a_job_that_is_not_there(jp_fetch: Fetch, cluster: Cluster) -> None:
    code, message = await refused(get(jp_fetch, "metrics/default/nothing", context=NAME))
    assert code == 404
    assert "nothing" in message


async def test_metrics_are_columns_of_what_json_knows(
    jp_fetch: Fetch, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.job("digits")
    columns = {"rank": [0, 0], "step": [1, 2], "loss": [0.5, float("nan")], "norm": [float("inf"), 1.0]}
    monkeypatch.setattr(TrainJob, "metrics", lambda _: columns)
    found = await get(jp_fetch, "metrics/default/digits", context=NAME)
    assert found == {"metrics": {"rank": [0, 0], "step": [1, 2], "loss": [0.5, None], "norm": [None, 1.0]}}


FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "%%trainjob"),
    "a size": ({"name": "train", "nodes": 8, "gpus": 2}, "%%trainjob train --nodes 8 --gpus 2"),
    "an environment": ({"env": {"A": "1", "B": "two words"}}, "%%trainjob --env A=1 --env 'B=two words'"),
    "secrets": ({"secrets": ["KEY", "TOKEN=HF_TOKEN"]}, "%%trainjob --secret KEY --secret TOKEN=HF_TOKEN"),
    "what goes without saying": ({"nodes": 1, "retries": 0, "runtime": "torch-distributed"}, "%%trainjob"),
    "names to come back": ({"out": ["a", "b"]}, "%%trainjob --out a,b"),
    "braces": ({"env": {"A": "{x}"}}, "%%trainjob --env 'A={{x}}'"),
}


@pytest.mark.parametrize(("typed", "line"), FORMS.values(), ids=FORMS)
async def test_the_form_writes_the_line(jp_fetch: Fetch, cluster: Cluster, typed: dict[str, Any], line: str) -> None:
    found = await post(jp_fetch, "form", {"context": NAME, "namespace": None, "options": typed})
    assert found["problems"] == []
    assert found["line"] == f"{line} --context {NAME}"


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no number": ({"nodes": "many"}, "nodes", "invalid int value"),
    "none at all": ({"nodes": 0}, "nodes", "at least 1"),
    "memory": ({"memory": "4 gigabytes"}, "memory", "4Gi"),
    "a name": ({"name": "a b"}, "name", "Python identifier"),
    "a name that asks for help": ({"name": "--help"}, "name", "Python identifier"),
    "a name that is an option": ({"name": "--wait"}, "name", "Python identifier"),
    "a variable like an option": ({"secrets": ["--help"]}, "secrets", "--help"),
    "a secret": ({"secrets": ["a b"]}, "secrets", "a b"),
    "a line break": ({"env": {"A": "x\ny"}}, "env", "line break"),
    "what is no option": ({"speed": 3}, "speed", "There is no option 'speed'"),
    "what would be an option": ({"image": "--wait"}, "image", ""),
}


@pytest.mark.parametrize(("typed", "field", "text"), WRONG.values(), ids=WRONG)
async def test_the_form_says_which_field_is_wrong(
    jp_fetch: Fetch, cluster: Cluster, typed: dict[str, Any], field: str, text: str
) -> None:
    found = await post(jp_fetch, "form", {"context": NAME, "options": {**typed, "gpus": 1}})
    if field == "image":
        assert "--image=--wait" in found["line"], "it is the value of its own option"
        return
    assert found["line"] == ""
    assert [each["field"] for each in found["problems"]] == [field]
    assert text in found["problems"][0]["text"]
    assert "%%trainjob" not in found["problems"][0]["text"], "nobody typed a line"


async def test_the_form_says_what_does_not_fit(jp_fetch: Fetch, cluster: Cluster) -> None:
    spec: Object = {"template": {"spec": {"replicatedJobs": []}}}
    cluster.client.create(CLUSTERTRAININGRUNTIMES, {"metadata": {"name": "torch-distributed"}, "spec": spec})
    cluster.client.create(NODES, {"metadata": {"name": "a"}, "spec": {}})
    status = {"status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}
    cluster.client.patch(NODES, "a", status, subresource="status")
    found = await post(jp_fetch, "form", {"context": NAME, "options": {"cpus": "3"}})
    assert found["problems"] == []
    assert "The nearest has 2 CPUs" in found["fit"]


@pytest.mark.parametrize("body", [[], {"options": 3}, {"options": {}, "context": 3}], ids=str)
async def test_what_is_no_form_is_refused(jp_fetch: Fetch, body: Any) -> None:
    code, _ = await refused(post(jp_fetch, "form", body))
    assert code == 400
