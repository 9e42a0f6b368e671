"""The HTTPS server: authorization, streams and shutdown."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, PODS, KubeObject
from jupyter_trainjob.cluster.apiserver.https_server import HttpsServer
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.state import tls_credentials
from jupyter_trainjob.kube.client import Client
from tests.waiting import patience

NS = "default"


class Endless:
    """An endless log that counts the chunks read."""

    def __init__(self) -> None:
        self.chunks_read = 0
        self.closed = threading.Event()

    def open(self, pod: KubeObject, **options: object) -> Endless:
        return self

    def __iter__(self) -> Iterator[bytes]:
        while not self.closed.is_set():
            self.chunks_read += 1
            yield b"x" * 65536

    def close(self) -> None:
        self.closed.set()


class RunningServer:
    """A running HTTPS server and a client for it."""

    def __init__(self, core: ApiServer, folder: Path) -> None:
        self.files = tls_credentials.ensure_credentials(folder)
        self.front = HttpsServer(core, certificate=self.files.certificate, key=self.files.key, token=self.files.token)
        self.thread = threading.Thread(target=self.front.run)
        self.thread.start()

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.files.ca))
        return http.client.HTTPSConnection("127.0.0.1", self.front.port, context=context, timeout=patience(60))

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, KubeObject]:
        connection = self.connect()
        sent = {"Authorization": f"Bearer {self.files.token}", **(headers or {})}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        answer: KubeObject = json.loads(response.read())
        connection.close()
        return response.status, answer

    def stream(self, path: str) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        connection = self.connect()
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.files.token}"})
        return connection, connection.getresponse()

    def stop(self) -> None:
        self.front.stop()
        self.thread.join(patience(60))
        assert not self.thread.is_alive()


@pytest.fixture
def server(core: ApiServer, tmp_path: Path) -> Iterator[RunningServer]:
    opened = RunningServer(core, tmp_path)
    yield opened
    opened.stop()


def test_request_reaches_the_api_server(server: RunningServer, client: Client) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    status, created = server.send("POST", CONFIGMAPS.path(NS) + "?dryRun=&fieldManager=x", body, headers)
    assert status == 201
    assert created == client.get(CONFIGMAPS, "a", namespace=NS)
    status, listed = server.send("GET", CONFIGMAPS.path(NS) + "?fieldSelector=metadata.name%3Da")
    assert (status, listed["items"]) == (200, [created])
    assert server.send("DELETE", CONFIGMAPS.path(NS, "a"))[0] == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Basic Og=="}, 401),
        ({"Host": "evil.example:443"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "127.0.0.9:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
    ],
)
def test_host_and_token_are_required(server: RunningServer, headers: dict[str, str], code: int) -> None:
    status, answer = server.send("GET", "/api", headers=headers)
    assert status == code
    assert answer["kind"] == ("APIVersions" if code == 200 else "Status")


def test_no_cors_headers(server: RunningServer) -> None:
    connection = server.connect()
    connection.request("OPTIONS", "/api", headers={"Origin": "https://evil.example"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 401
    assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]


def test_changes_reach_an_open_watch(server: RunningServer, client: Client) -> None:
    connection, response = server.stream(CONFIGMAPS.path(NS) + "?watch=true&resourceVersion=0")
    for name in ("a", "b"):
        client.create(CONFIGMAPS, {"metadata": {"name": name}}, namespace=NS)
        event = json.loads(response.readline())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", name)
    connection.close()


def test_slow_client_blocks_the_source_and_disconnecting_closes_it(
    server: RunningServer, core: ApiServer, client: Client
) -> None:
    core.logs = source = Endless()
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, namespace=NS)
    connection, response = server.stream(PODS.path(NS, "p", "log") + "?follow=true")
    response.read(1000)
    deadline = time.monotonic() + 60
    previous = -1
    while previous != source.chunks_read and time.monotonic() < deadline:
        previous = source.chunks_read
        source.closed.wait(0.3)
    assert source.chunks_read == previous < 1000  # socket buffers are full: the source waits
    connection.close()
    response.close()
    assert source.closed.wait(patience(60))


def test_stop_ends_open_streams(core: ApiServer, tmp_path: Path) -> None:
    server = RunningServer(core, tmp_path)
    connection, response = server.stream(CONFIGMAPS.path(NS) + "?watch=true")
    server.stop()
    assert response.read() == b""
    connection.close()


def test_stop_before_run(core: ApiServer, tmp_path: Path) -> None:
    files = tls_credentials.ensure_credentials(tmp_path)
    front = HttpsServer(core, certificate=files.certificate, key=files.key, token=files.token)
    front.stop()
    front.run()
    front.stop()


def test_port_in_use_is_an_os_error(server: RunningServer, core: ApiServer) -> None:
    files = server.files
    with pytest.raises(OSError, match="in use"):
        HttpsServer(core, certificate=files.certificate, key=files.key, token=files.token, port=server.front.port)
