"""The proxy: what it forwards, how it streams, and what it refuses."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from traitlets import TraitError

from jupyter_trainjob.api.resources import SECRETS, TRAINJOBS
from jupyter_trainjob.kube.transport import Request, Response
from jupyter_trainjob.server import api_proxy as module
from jupyter_trainjob.server.api_proxy import OpenStreams, whole_lines
from jupyter_trainjob.server.app import TrainJobApp
from tests.server.cluster import AWAY, NAME, Cluster
from tests.waiting import wait_for

Fetch = Callable[..., Awaitable[Any]]
PODS_PATH = "api/v1/namespaces/default/pods"
JOBS_PATH = "apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs"
SECRET = "c2VjcmV0"


async def proxy_fetch(jp_fetch: Fetch, path: str, *, context: str = NAME, **options: Any) -> Any:
    return await jp_fetch("jupyter-trainjob", "api", context, path, **options)


async def error_of(response: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(HTTPClientError) as caught:
        await response
    assert caught.value.response is not None
    return caught.value.code, json.loads(caught.value.response.body)["message"]


async def wait_until(condition: Callable[[], object]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, wait_for, condition)


def pumps() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trainjob-proxy"]


@pytest.fixture(autouse=True)
def no_thread_remains() -> Iterator[None]:
    yield
    wait_for(lambda: not pumps())


def _has(received: bytearray, text: str) -> bool:
    return text.encode() in bytes(received)


async def test_list_is_the_response_of_the_cluster(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.job("digits")
    answer = await proxy_fetch(jp_fetch, JOBS_PATH, params={"limit": "5"})
    assert [item["metadata"]["name"] for item in json.loads(answer.body)["items"]] == ["digits"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_job_is_stopped_and_deleted(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.job("digits")
    headers = {"Content-Type": "application/merge-patch+json"}
    body = json.dumps({"spec": {"suspend": True}})
    answer = await proxy_fetch(jp_fetch, f"{JOBS_PATH}/digits", method="PATCH", body=body, headers=headers)
    assert json.loads(answer.body)["spec"]["suspend"] is True
    await proxy_fetch(jp_fetch, f"{JOBS_PATH}/digits", method="DELETE")
    assert cluster.client.find(TRAINJOBS, "digits", namespace="default") is None


async def test_watch_is_streamed_line_by_line(jp_fetch: Fetch, jp_serverapp: Any, cluster: Cluster) -> None:
    received = bytearray()
    params = {"watch": "true", "resourceVersion": "0"}
    watch = asyncio.ensure_future(proxy_fetch(jp_fetch, JOBS_PATH, params=params, streaming_callback=received.extend))
    for name in ("one", "two"):
        cluster.job(name)
        await wait_until(functools.partial(_has, received, f'"name":"{name}"'))
        assert received.endswith(b"\n")
    kinds = [json.loads(line)["type"] for line in bytes(received).splitlines()]
    assert kinds == ["ADDED", "ADDED"]
    assert len(pumps()) == 1
    jp_serverapp.web_app.settings[OpenStreams.SETTING].close()
    await watch


async def test_watch_ends_with_the_server(jp_fetch: Fetch, jp_serverapp: Any, cluster: Cluster) -> None:
    watch = asyncio.ensure_future(proxy_fetch(jp_fetch, JOBS_PATH, params={"watch": "1"}))
    await wait_until(pumps)
    jp_serverapp.web_app.settings[OpenStreams.SETTING].close()
    await watch
    await wait_until(lambda: not pumps())


async def test_watch_ends_when_the_client_disconnects(
    http_server_client: Any, jp_http_port: int, jp_base_url: str, jp_auth_header: dict[str, str], cluster: Cluster
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
    path = f"{jp_base_url}jupyter-trainjob/api/{NAME}/{JOBS_PATH}?watch=1"
    head = "".join(f"{name}: {value}\r\n" for name, value in jp_auth_header.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
    assert b"200 OK" in await reader.readline()
    await wait_until(pumps)
    writer.close()
    await wait_until(lambda: not pumps())


async def test_number_of_watches_is_limited(
    jp_fetch: Fetch, jp_serverapp: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STREAMS", 1)
    watch = asyncio.ensure_future(proxy_fetch(jp_fetch, JOBS_PATH, params={"watch": "1"}))
    await wait_until(pumps)
    code, message = await error_of(proxy_fetch(jp_fetch, JOBS_PATH, params={"watch": "1"}))
    assert (code, "end some of them" in message) == (503, True)
    jp_serverapp.web_app.settings[OpenStreams.SETTING].close()
    await watch


class FakeResponse:
    """A response with a body in chunks."""

    def __init__(self, *chunks: bytes, status: int = 200) -> None:
        self.status = status
        self.headers = {"content-type": "text/html", "set-cookie": "a=b", "authorization": "Bearer x"}
        self._chunks = chunks

    def read(self) -> bytes:
        return b"".join(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        pass


async def test_followed_log_is_plain_text(jp_fetch: Fetch, cluster: Cluster) -> None:
    cluster.respond = lambda _: FakeResponse(b"<script>", b"1</script>\nsec", b"ond\nlast")
    answer = await proxy_fetch(jp_fetch, f"{PODS_PATH}/p/log", params={"follow": "true"})
    assert answer.body == b"<script>1</script>\nsecond\nlast"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_only_path_query_and_body_are_forwarded_and_only_the_body_is_returned(
    jp_fetch: Fetch, jp_auth_header: dict[str, str], cluster: Cluster
) -> None:
    sent: list[Request] = []

    def respond(request: Request) -> Response:
        sent.append(request)
        return FakeResponse(b"{}")

    cluster.respond = respond
    _, token = jp_auth_header["Authorization"].split()
    headers = {"Impersonate-User": "admin", "Cookie": "a=b", "X-Remote-User": "admin"}
    params = {"limit": "1", "token": token, "as": "admin", "insecureSkipTLSVerifyBackend": "true"}
    answer = await proxy_fetch(jp_fetch, PODS_PATH, headers=headers, params=params)
    assert sent == [Request("GET", f"/{PODS_PATH}", {"limit": "1"})]
    assert answer.headers["Content-Type"] == "application/json"
    assert "Bearer" not in str(answer.headers)
    assert "a=b" not in str(answer.headers.get_list("Set-Cookie"))


FORBIDDEN: dict[str, tuple[str, str]] = {
    "secrets": ("GET", "api/v1/namespaces/default/secrets"),
    "a secret": ("GET", "api/v1/namespaces/default/secrets/s"),
    "a secret by a relative path": ("GET", "api/v1/namespaces/default/pods/../secrets/s"),
    "a secret by an encoded slash": ("GET", "api/v1/namespaces/default/pods%2F..%2Fsecrets"),
    "a shell": ("POST", f"{PODS_PATH}/p/exec"),
    "a service": ("GET", "api/v1/namespaces/default/services/s/proxy/admin"),
    "roles": ("GET", "apis/rbac.authorization.k8s.io/v1/clusterroles"),
    "a new pod": ("POST", PODS_PATH),
    "no path of the API": ("GET", "metrics"),
}


@pytest.mark.parametrize(("method", "path"), FORBIDDEN.values(), ids=FORBIDDEN)
async def test_request_that_is_not_in_the_table_is_refused_without_sending_it(
    jp_fetch: Fetch, cluster: Cluster, method: str, path: str
) -> None:
    secret = {"metadata": {"name": "s"}, "data": {"a": SECRET}}
    cluster.client.create(SECRETS, secret, namespace="default")
    cluster.requests.clear()
    body = "{}" if method == "POST" else None
    code, message = await error_of(proxy_fetch(jp_fetch, path, method=method, body=body))
    assert code == 403
    assert SECRET not in message
    assert cluster.requests == []


async def test_errors_of_the_cluster_are_returned(jp_fetch: Fetch, cluster: Cluster) -> None:
    code, message = await error_of(proxy_fetch(jp_fetch, f"{JOBS_PATH}/none"))
    assert (code, "none" in message) == (404, True)
    cluster.respond = lambda _: FakeResponse(b"log in first", status=401)
    assert (await error_of(proxy_fetch(jp_fetch, PODS_PATH)))[0] == 502, (
        "401 would ask for a login at the Jupyter server"
    )
    cluster.respond = lambda _: FakeResponse(status=302)
    code, message = await error_of(proxy_fetch(jp_fetch, PODS_PATH))
    assert (code, "redirected" in message) == (502, True)
    cluster.respond, cluster.unreachable = None, True
    assert await error_of(proxy_fetch(jp_fetch, PODS_PATH)) == (502, AWAY)


async def test_bodies_have_to_be_json_of_a_limited_size(
    jp_fetch: Fetch, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.job("digits")
    path = f"{JOBS_PATH}/digits"
    headers = {"Content-Type": "application/apply-patch+yaml"}
    assert (await error_of(proxy_fetch(jp_fetch, path, method="PATCH", body="a: 1", headers=headers)))[0] == 415
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 3)
    assert (await error_of(proxy_fetch(jp_fetch, path, method="PATCH", body='{"a": 1}')))[0] == 413


def config(**settings: Any) -> dict[str, Any]:
    """Return the configuration of a server with settings of the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_trainjob": True}}, "TrainJobApp": settings}


class TestOneContextWithoutClusterControl:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return config(contexts=["trainjob-local"], cluster_control=False)

    async def test_other_contexts_are_refused_everywhere(self, jp_fetch: Fetch, cluster: Cluster) -> None:
        for route in ("namespaces", "capacity", "runtimes", "doctor", "metrics/default/digits"):
            code, message = await error_of(jp_fetch("jupyter-trainjob", *route.split("/"), params={"context": NAME}))
            assert (code, "c.TrainJobApp.contexts" in message) == (403, True)
        body = json.dumps({"options": {}, "context": NAME})
        assert (await error_of(jp_fetch("jupyter-trainjob", "form", method="POST", body=body)))[0] == 403
        assert (await error_of(proxy_fetch(jp_fetch, PODS_PATH)))[0] == 403
        assert cluster.requests == []

    async def test_start_of_the_embedded_cluster_is_refused(self, jp_fetch: Fetch) -> None:
        body = json.dumps({"do": "start"})
        code, message = await error_of(jp_fetch("jupyter-trainjob", "embedded", method="POST", body=body))
        assert (code, "c.TrainJobApp.cluster_control" in message) == (403, True)


class TestNoProxy:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return config(proxy=False)

    async def test_proxy_without_a_table_refuses_all_requests(self, jp_fetch: Fetch, cluster: Cluster) -> None:
        code, message = await error_of(proxy_fetch(jp_fetch, PODS_PATH))
        assert (code, "c.TrainJobApp.proxy" in message) == (403, True)
        assert cluster.requests == []


class TestCustomTable:
    @pytest.fixture
    def jp_server_config(self) -> dict[str, Any]:
        return config(proxy_allows={"configmaps": ["list"]})

    async def test_proxy_forwards_only_requests_of_a_custom_table(self, jp_fetch: Fetch, cluster: Cluster) -> None:
        await proxy_fetch(jp_fetch, "api/v1/namespaces/default/configmaps")
        code, message = await error_of(proxy_fetch(jp_fetch, PODS_PATH))
        assert (code, "it allows nothing" in message) == (403, True)


def test_table_with_secrets_is_refused_at_start() -> None:
    with pytest.raises(TraitError, match="which no setting allows"):
        TrainJobApp(proxy_allows={"secrets": ["get"]})


PIECES = {
    "a line in two pieces": ([b"a", b"b\n"], [b"ab\n"]),
    "two lines and a half": ([b"a\nb\nc", b"d\n"], [b"a\nb\n", b"cd\n"]),
    "a last line without an end": ([b"a\n", b"b"], [b"a\n", b"b"]),
    "nothing": ([b""], []),
}


@pytest.mark.parametrize(("chunks", "pieces"), PIECES.values(), ids=PIECES)
def test_chunks_of_a_stream_are_whole_lines(chunks: list[bytes], pieces: list[bytes]) -> None:
    assert list(whole_lines(chunks)) == pieces
