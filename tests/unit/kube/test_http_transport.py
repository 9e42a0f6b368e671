"""The HTTP transport with a server of the standard library."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from kubernetes.client import Configuration

from jupyter_trainjob import errors
from jupyter_trainjob.kube.http_transport import HttpTransport
from jupyter_trainjob.kube.transport import Request
from tests.waiting import patience


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))
        if self.path.startswith("/stream"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(b"first\n")
            self.server.go_on.wait(patience(60))
            self._chunk(b"second\n")
            self._chunk(b"")
        elif self.path == "/drop" or (self.path == "/drop-once" and len(self.server.seen) == 1):
            self.close_connection = True
        elif self.path == "/slow":
            self.server.go_on.wait(patience(60))
            self._answer(200, b"late")
        elif self.path == "/empty":
            self._answer(200, b"")
        else:
            self._answer(404 if self.path == "/missing" else 200, b'{"kind":"Status"}')

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def configuration(server: _Server) -> Configuration:
    configuration = Configuration(host=server.url)
    configuration.api_key["authorization"] = "Bearer secret"
    return configuration


@pytest.fixture
def transport(configuration: Configuration) -> HttpTransport:
    return HttpTransport(configuration)


def test_request_has_credentials_query_and_body(server: _Server, transport: HttpTransport) -> None:
    query = {"labelSelector": "a in (b,c),!d"}
    request = Request("PATCH", "/api/v1/pods/p", query, b'{"x":1}', content_type="application/merge-patch+json")
    answer = transport.send(request)
    method, path, headers, body = server.seen[0]
    assert (method, body) == ("PATCH", b'{"x":1}')
    assert path == "/api/v1/pods/p?labelSelector=a+in+%28b%2Cc%29%2C%21d"
    assert headers["authorization"] == "Bearer secret"
    assert headers["content-type"] == "application/merge-patch+json"
    assert headers["user-agent"] == "jupyter-trainjob"
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.read() == b"".join(answer) == b'{"kind":"Status"}'


def test_expired_token_is_renewed_before_the_request(
    server: _Server, configuration: Configuration, transport: HttpTransport
) -> None:
    def renew(configuration: Configuration) -> None:
        configuration.api_key["authorization"] = "Bearer new"

    setattr(configuration, "refresh_api_key_hook", renew)  # noqa: B010 (the package's types say None)
    transport.send(Request("GET", "/x"))
    assert server.seen[0][2]["authorization"] == "Bearer new"


def test_error_of_a_failing_credential_plugin_has_a_remedy(
    configuration: Configuration, transport: HttpTransport
) -> None:
    def renew(_: Configuration) -> None:
        raise RuntimeError("log in again")

    setattr(configuration, "refresh_api_key_hook", renew)  # noqa: B010 (the package's types say None)
    with pytest.raises(errors.ClusterError, match=r"No credentials .* log in again\. Renew them"):
        transport.send(Request("GET", "/x"))


def test_requests_reuse_a_connection(server: _Server, transport: HttpTransport) -> None:
    for _ in range(5):
        transport.send(Request("POST", "/x", {}, b"{}")).read()
    assert server.connections == 1


def test_error_status_is_returned_as_a_response(transport: HttpTransport) -> None:
    for stream in (False, True):
        answer = transport.send(Request("GET", "/missing", stream=stream))
        assert answer.status == 404
        assert answer.read() == b'{"kind":"Status"}'


def test_chunks_of_a_stream_are_received_when_they_are_sent(server: _Server, transport: HttpTransport) -> None:
    answer = transport.send(Request("GET", "/stream", stream=True))
    chunks = iter(answer)
    assert next(chunks) == b"first\n"  # the server sends the second only now
    server.go_on.set()
    assert list(chunks) == [b"second\n"]
    answer.close()


def test_idle_stream_has_no_read_timeout(server: _Server, transport: HttpTransport) -> None:
    answer = transport.send(Request("GET", "/stream", stream=True), timeout=0.1)
    chunks = iter(answer)
    next(chunks)
    threading.Timer(0.3, server.go_on.set).start()
    assert list(chunks) == [b"second\n"]
    answer.close()


def test_close_from_another_thread_ends_a_blocked_iteration(transport: HttpTransport) -> None:
    answer = transport.send(Request("GET", "/stream", stream=True))
    got: list[bytes] = []
    first = threading.Event()

    def read() -> None:
        for chunk in answer:
            got.append(chunk)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(patience(60))
    answer.close()
    reader.join(patience(60))
    assert not reader.is_alive()
    assert got == [b"first\n"]
    assert list(answer) == []
    answer.close()  # once more does no harm


def test_close_of_an_ended_stream_does_not_affect_other_streams(server: _Server, transport: HttpTransport) -> None:
    server.go_on.set()
    ended = transport.send(Request("GET", "/stream", stream=True))
    ended.read()
    server.go_on.clear()
    running = transport.send(Request("GET", "/stream", stream=True))
    ended.close()
    server.go_on.set()
    assert running.read() == b"first\nsecond\n"
    running.close()


def test_empty_stream_ends_immediately(transport: HttpTransport) -> None:
    assert list(transport.send(Request("GET", "/empty", stream=True))) == []


def test_get_on_a_closed_connection_is_retried(server: _Server, transport: HttpTransport) -> None:
    assert transport.send(Request("GET", "/drop-once")).status == 200
    assert len(server.seen) == 2


def test_write_is_never_retried(server: _Server, transport: HttpTransport) -> None:
    with pytest.raises(errors.ClusterError, match="was closed before the response was complete"):
        transport.send(Request("POST", "/drop", {}, b"{}"))
    assert len(server.seen) == 1


def test_error_of_a_timeout_has_a_remedy(transport: HttpTransport) -> None:
    with pytest.raises(errors.ClusterError, match=r"gave no answer within 0\.2 s"):
        transport.send(Request("GET", "/slow"), timeout=0.2)


def test_error_of_a_refused_connection_has_cause_and_remedy(server: _Server) -> None:
    configuration = Configuration(host="http://127.0.0.1:1")
    with pytest.raises(errors.ClusterError, match=r"Cannot reach .*:1: .*refused\. Check that the cluster runs"):
        HttpTransport(configuration).send(Request("POST", "/x", {}, b"{}"), timeout=patience(60))
