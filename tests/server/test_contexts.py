"""Contexts of real kubeconfigs: listed without being asked, and told apart when they fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from tests.embedded import embedded_cluster
from tests.server.test_routes import get, post, refused

Fetch = Callable[..., Awaitable[Any]]
ARN = "arn:aws:eks:eu-1:12:cluster/team"
NOBODY = "https://127.0.0.1:9"
FAILS = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": sys.executable,
    "args": ["-c", "raise SystemExit(3)"],
}


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write one with a context that nobody answers, and one whose credentials cannot be had."""
    path = tmp_path / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": NOBODY}}]
    users = [
        {"name": "u", "user": {"token": "of-the-cluster"}},
        {"name": "e", "user": {"exec": {**FAILS, "interactiveMode": "Never"}}},
    ]
    contexts = [
        {"name": ARN, "context": {"cluster": "c", "user": "u", "namespace": "team"}},
        {"name": "expired", "context": {"cluster": "c", "user": "e"}},
    ]
    content = {"clusters": clusters, "users": users, "contexts": contexts}
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


async def test_contexts_are_listed_after_the_embedded_one_and_none_is_asked(jp_fetch: Fetch) -> None:
    found = await get(jp_fetch, "clusters")
    assert [(each["name"], each["namespace"], each["running"]) for each in found["clusters"]] == [
        (EMBEDDED_CONTEXT, "default", False),
        (ARN, "team", None),
        ("expired", "default", None),
    ]
    assert found["why"] == ""


@pytest.fixture
def broken(kubeconfig: Path) -> Path:
    kubeconfig.write_text("{[")
    return kubeconfig


async def test_a_broken_kubeconfig_takes_nothing_from_the_embedded_cluster(broken: Path, jp_fetch: Fetch) -> None:
    found = await get(jp_fetch, "clusters")
    assert [each["name"] for each in found["clusters"]] == [EMBEDDED_CONTEXT]
    assert str(broken) in found["why"]


@pytest.mark.parametrize("route", ["namespaces", "capacity", "runtimes", "metrics/default/digits"])
async def test_a_context_whose_credentials_cannot_be_had_is_told_as_that(jp_fetch: Fetch, route: str) -> None:
    code, message = await refused(get(jp_fetch, route, context="expired"))
    assert code == 502
    assert f"No credentials for the context 'expired': {sys.executable}" in message
    assert (await get(jp_fetch, "clusters"))["clusters"]


async def test_the_doctor_tells_of_every_context(jp_fetch: Fetch) -> None:
    checks = (await get(jp_fetch, "doctor"))["checks"]
    levels = {each["name"]: each["level"] for each in checks}
    assert levels[f"context {ARN}"] == levels["context expired"] == "problem"
    assert levels["state folder"] == "ok"
    assert "of-the-cluster" not in json.dumps(checks)


async def test_a_cluster_that_nobody_answers_for_is_a_bad_gateway(jp_fetch: Fetch) -> None:
    code, message = await refused(get(jp_fetch, "namespaces", context=ARN))
    assert (code, NOBODY in message) == (502, True)


async def test_a_name_with_a_slash_goes_through_the_proxy_encoded(
    http_server_client: Any, jp_serverapp: Any, jp_base_url: str, jp_auth_header: dict[str, str]
) -> None:
    name = ARN.replace("/", "%2F")
    url = f"{jp_base_url}jupyter-trainjob/api/{name}/api/v1/nodes"
    code, message = await refused(http_server_client.fetch(url, headers=jp_auth_header))
    assert (code, NOBODY in message) == (502, True)


async def test_the_embedded_cluster_is_started_looked_at_and_stopped(jp_fetch: Fetch, tmp_path: Path) -> None:
    with embedded_cluster(tmp_path / "embedded"):
        code, message = await refused(get(jp_fetch, "capacity", context=EMBEDDED_CONTEXT))
        assert (code, "was stopped" in message) == (502, True), "looking starts nothing"
        assert (await post(jp_fetch, "embedded", {"do": "start"}))["running"] is True
        (node,) = (await get(jp_fetch, "capacity", context=EMBEDDED_CONTEXT))["nodes"]
        assert node["ready"] is True
        assert 0 < node["cpu"][0] <= node["cpu"][1]
        assert 2**20 < node["memory"][0] <= node["memory"][1]
        runtimes = (await get(jp_fetch, "runtimes", context=EMBEDDED_CONTEXT))["runtimes"]
        assert {"torch-distributed", "plain"} <= {each["name"] for each in runtimes}
        assert "default" in (await get(jp_fetch, "namespaces", context=EMBEDDED_CONTEXT))["namespaces"]
        form = await post(jp_fetch, "form", {"options": {"nodes": 2, "cpus": "100000"}, "context": None})
        assert form["line"] == "%%trainjob --nodes 2 --cpus 100000"
        assert "No node of this computer has 100000 CPUs" in form["fit"]
        assert (await post(jp_fetch, "embedded", {"do": "stop"}))["running"] is False
        assert (await post(jp_fetch, "embedded", {"do": "stop"}))["running"] is False, "again is no error"
        code, _ = await refused(post(jp_fetch, "embedded", {"do": "restart"}))
        assert code == 400
