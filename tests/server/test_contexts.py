"""Contexts of a kubeconfig: listed without requests, and their errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob.cluster.daemon.launcher import NEVER_STARTED, NOT_RUNNING
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from tests.embedded import embedded_cluster
from tests.server.test_routes import error_of, get, post

Fetch = Callable[..., Awaitable[Any]]
ARN = "arn:aws:eks:eu-1:12:cluster/team"
UNREACHABLE = "https://127.0.0.1:9"
FAILS = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": sys.executable,
    "args": ["-c", "raise SystemExit(3)"],
}


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a kubeconfig with an unreachable cluster, and a context whose credential plugin fails."""
    path = tmp_path / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": UNREACHABLE}}]
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


async def test_contexts_are_listed_after_the_embedded_one(jp_fetch: Fetch) -> None:
    reply = await get(jp_fetch, "clusters")
    assert [(cluster["name"], cluster["namespace"], cluster["running"]) for cluster in reply["clusters"]] == [
        (EMBEDDED_CONTEXT, "default", False),
        (ARN, "team", None),
        ("expired", "default", None),
    ]
    assert reply["why"] == ""


@pytest.fixture
def broken(kubeconfig: Path) -> Path:
    kubeconfig.write_text("{[")
    return kubeconfig


async def test_invalid_kubeconfig_leaves_the_embedded_cluster(broken: Path, jp_fetch: Fetch) -> None:
    reply = await get(jp_fetch, "clusters")
    assert [cluster["name"] for cluster in reply["clusters"]] == [EMBEDDED_CONTEXT]
    assert str(broken) in reply["why"]


@pytest.mark.parametrize("route", ["namespaces", "capacity", "runtimes"])
async def test_failing_credential_plugin_is_reported(jp_fetch: Fetch, route: str) -> None:
    expected = f"No credentials for the context 'expired': {sys.executable}"
    assert expected in (await get(jp_fetch, route, context="expired"))["away"]
    code, message = await error_of(get(jp_fetch, "metrics/default/digits", context="expired"))
    assert (code, expected in message) == (502, True)
    assert (await get(jp_fetch, "clusters"))["clusters"]


async def test_doctor_checks_every_context(jp_fetch: Fetch) -> None:
    checks = (await get(jp_fetch, "doctor"))["checks"]
    levels = {check["name"]: check["level"] for check in checks}
    assert levels[f"context {ARN}"] == levels["context expired"] == "problem"
    assert levels["state folder"] == "ok"
    assert "of-the-cluster" not in json.dumps(checks)


async def test_unreachable_cluster_is_a_bad_gateway(jp_fetch: Fetch) -> None:
    assert UNREACHABLE in (await get(jp_fetch, "namespaces", context=ARN))["away"]
    code, message = await error_of(get(jp_fetch, "metrics/default/digits", context=ARN))
    assert (code, UNREACHABLE in message) == (502, True)


async def test_context_with_a_slash_is_encoded_in_the_path_of_the_proxy(
    http_server_client: Any, jp_serverapp: Any, jp_base_url: str, jp_auth_header: dict[str, str]
) -> None:
    name = ARN.replace("/", "%2F")
    url = f"{jp_base_url}jupyter-trainjob/api/{name}/api/v1/nodes"
    code, message = await error_of(http_server_client.fetch(url, headers=jp_auth_header))
    assert (code, UNREACHABLE in message) == (502, True)


async def test_embedded_cluster_is_started_read_and_stopped(jp_fetch: Fetch, tmp_path: Path) -> None:
    with embedded_cluster(tmp_path / "embedded"):
        reply = await get(jp_fetch, "capacity", context=EMBEDDED_CONTEXT)
        assert reply == {"away": NEVER_STARTED}, "reading does not start it"
        assert (await post(jp_fetch, "embedded", {"do": "start"}))["running"] is True
        (node,) = (await get(jp_fetch, "capacity", context=EMBEDDED_CONTEXT))["nodes"]
        assert node["ready"] is True
        assert 0 < node["cpu"][0] <= node["cpu"][1]
        assert 2**20 < node["memory"][0] <= node["memory"][1]
        runtimes = (await get(jp_fetch, "runtimes", context=EMBEDDED_CONTEXT))["runtimes"]
        assert {"torch-distributed", "plain"} <= {runtime["name"] for runtime in runtimes}
        assert "default" in (await get(jp_fetch, "namespaces", context=EMBEDDED_CONTEXT))["namespaces"]
        form = await post(jp_fetch, "form", {"options": {"nodes": "2", "cpus": "100000"}, "context": None})
        assert form["line"] == "%%trainjob --nodes 2 --cpus 100000"
        assert form["full"] == f"{form['line']} --context {EMBEDDED_CONTEXT} --namespace default"
        here = {"context": EMBEDDED_CONTEXT, "namespace": "default"}
        assert (await post(jp_fetch, "form", {"options": {"nodes": "2", "cpus": "100000"}, **here})) == form
        assert "No node of this computer has 100000 CPUs" in form["fit"]
        assert (await post(jp_fetch, "embedded", {"do": "stop"}))["running"] is False
        assert (await post(jp_fetch, "embedded", {"do": "stop"}))["running"] is False, "stopping twice is not an error"
        assert await get(jp_fetch, "capacity", context=EMBEDDED_CONTEXT) == {"away": NOT_RUNNING}
        code, _ = await error_of(post(jp_fetch, "embedded", {"do": "restart"}))
        assert code == 400
