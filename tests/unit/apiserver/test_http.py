"""The HTTPS front: who gets in, that streams stream, and that it ends when told to."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import CONFIGMAPS, PODS, Object
from jupyter_trainjob.cluster import credentials
from jupyter_trainjob.cluster.apiserver.core import Core
from jupyter_trainjob.cluster.apiserver.http import HttpFront
from jupyter_trainjob.kube.client import Client

NS = "default"


class Endless:
    """A log that never ends, and counts what was taken from it."""

    def __init__(self) -> None:
        self.given = 0
        self.closed = threading.Event()

    def open(self, pod: Object, **options: object) -> Endless:
        return self

    def __iter__(self) -> Iterator[bytes]:
        while not self.closed.is_set():
            self.given += 1
            yield b"x" * 65536

    def close(self) -> None:
        self.closed.set()


class Door:
    """A running front and a way to knock."""

    def __init__(self, core: Core, folder: Path) -> None:
        self.files = credentials.ensure(folder)
        self.front = HttpFront(core, certificate=self.files.certificate, key=self.files.key, token=self.files.token)
        self.thread = threading.Thread(target=self.front.run)
        self.thread.start()

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.files.ca))
        return http.client.HTTPSConnection("127.0.0.1", self.front.port, context=context, timeout=60)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Object]:
        connection = self.connect()
        sent = {"Authorization": f"Bearer {self.files.token}", **(headers or {})}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        found: Object = json.loads(response.read())
        connection.close()
        return response.status, found

    def stream(self, path: str) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        connection = self.connect()
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.files.token}"})
        return connection, connection.getresponse()

    def stop(self) -> None:
        self.front.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def door(core: Core, tmp_path: Path) -> Iterator[Door]:
    opened = Door(core, tmp_path)
    yield opened
    opened.stop()


def test_a_request_goes_through_to_the_core(door: Door, client: Client) -> None:
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    status, made = door.send("POST", CONFIGMAPS.path(NS) + "?dryRun=&fieldManager=x", body, headers)
    assert status == 201
    assert made == client.get(CONFIGMAPS, "a", namespace=NS)
    status, found = door.send("GET", CONFIGMAPS.path(NS) + "?fieldSelector=metadata.name%3Da")
    assert (status, found["items"]) == (200, [made])
    assert door.send("DELETE", CONFIGMAPS.path(NS, "a"))[0] == 200


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
def test_only_loopback_with_the_token_gets_in(door: Door, headers: dict[str, str], code: int) -> None:
    status, answer = door.send("GET", "/api", headers=headers)
    assert status == code
    assert answer["kind"] == ("APIVersions" if code == 200 else "Status")


def test_no_other_origin_is_allowed_anything(door: Door) -> None:
    connection = door.connect()
    connection.request("OPTIONS", "/api", headers={"Origin": "https://evil.example"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 401
    assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]


def test_changes_reach_a_watch_while_it_is_open(door: Door, client: Client) -> None:
    connection, response = door.stream(CONFIGMAPS.path(NS) + "?watch=true&resourceVersion=0")
    for name in ("a", "b"):
        client.create(CONFIGMAPS, {"metadata": {"name": name}}, namespace=NS)
        event = json.loads(response.readline())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", name)
    connection.close()


def test_a_slow_reader_slows_the_source_down_and_leaving_closes_it(door: Door, core: Core, client: Client) -> None:
    core.logs = source = Endless()
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, namespace=NS)
    connection, response = door.stream(PODS.path(NS, "p", "log") + "?follow=true")
    response.read(1000)
    deadline = time.monotonic() + 60
    given = -1
    while given != source.given and time.monotonic() < deadline:
        given = source.given
        source.closed.wait(0.3)
    assert source.given == given < 1000  # socket buffers are full: the source waits
    connection.close()
    response.close()
    assert source.closed.wait(60)


def test_stopping_ends_streams_that_are_open(core: Core, tmp_path: Path) -> None:
    door = Door(core, tmp_path)
    connection, response = door.stream(CONFIGMAPS.path(NS) + "?watch=true")
    door.stop()
    assert response.read() == b""
    connection.close()


def test_stopping_before_running_is_enough(core: Core, tmp_path: Path) -> None:
    files = credentials.ensure(tmp_path)
    front = HttpFront(core, certificate=files.certificate, key=files.key, token=files.token)
    front.stop()
    front.run()
    front.stop()


def test_a_port_that_is_taken_is_an_os_error(door: Door, core: Core) -> None:
    files = door.files
    with pytest.raises(OSError, match="in use"):
        HttpFront(core, certificate=files.certificate, key=files.key, token=files.token, port=door.front.port)
