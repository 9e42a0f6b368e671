"""Pod logs, read by the client and by kubectl; only on the embedded server, as a bare real one has no kubelet."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from jupyter_trainjob.api.resources import PODS

from .server import Server, pod

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]
everywhere = pytest.mark.parametrize("server", ["embedded-inprocess", "embedded-http"], indirect=True)
with_a_socket = pytest.mark.parametrize("server", ["embedded-http"], indirect=True)


@pytest.fixture
def ran(server: Server) -> Server:
    """Return the server with a pod that has ended on a node."""
    server.create(PODS, pod("p"))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }
    assert server.send("POST", server.path(PODS, "p", "binding"), binding).status == 201
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0}}, "ready": False, "restartCount": 0}
    status = {"phase": "Succeeded", "containerStatuses": [{**ended, "image": "none", "imageID": ""}]}
    server.patch(PODS, "p", {"status": status}, subresource="status")
    return server


@everywhere
def test_client_reads_lines(ran: Server) -> None:
    for follow in (False, True):
        stream = ran.client.logs("p", namespace=ran.namespace, follow=follow)
        assert list(stream) == [b"first", b"second"]
        stream.close()


@everywhere
def test_a_log_is_plain_text(ran: Server) -> None:
    answer = ran.send("GET", ran.path(PODS, "p", "log"), query={"tailLines": "1", "timestamps": "true"})
    assert (answer.status, answer.body) == (200, {"text": "2026-01-01T00:00:01.000000000Z second\n"})


@with_a_socket
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "first\nsecond\n"),
        (("--tail=1",), "second\n"),
        (("--timestamps", "--tail=1"), "2026-01-01T00:00:01.000000000Z second\n"),
        (("--container=main", "--follow"), "first\nsecond\n"),
    ],
    ids=["whole", "tail", "timestamps", "follow"],
)
def test_kubectl_reads_a_log(ran: Server, kubectl: Kubectl, options: tuple[str, ...], expected: str) -> None:
    assert kubectl("logs", "p", *options).stdout == expected
