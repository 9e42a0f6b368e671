"""The status server against a real API server: tokens of real service accounts, bodies, and what is written."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from jupyter_trainjob.api.resources import CONFIGMAPS, EVENTS, JOBSETS, NAMESPACES, TRAINJOBS, KubeObject
from jupyter_trainjob.controller.plugins.trainjob_status import status_path, token_audience
from jupyter_trainjob.controller_process.status_server import MAX_CONNECTIONS
from jupyter_trainjob.kube.client import Client
from tests.paths import ROOT
from tests.waiting import patience

from . import service_account_tokens as tokens
from .conftest import Cluster, Start, Webhooks
from .controller import eventually
from .tcp_proxy import proxy_to

pytestmark = pytest.mark.timeout(180)

PROGRESS: KubeObject = {
    "progressPercentage": 42,
    "estimatedRemainingSeconds": 120,
    "metrics": [{"name": "loss", "value": "0.12"}],
    "lastUpdatedTime": "2026-05-04T03:02:01Z",
}
TIME = {"lastUpdatedTime": "2026-05-04T03:02:01Z"}


@dataclass
class StatusServer:
    """What a pod needs to reach the server, apart from the token."""

    port: int
    certificates: Path

    @property
    def options(self) -> tuple[str, ...]:
        gate = ("--feature-gates", "TrainJobStatus=true")
        return (*gate, "--status-server-port", str(self.port), "--webhook-cert-dir", str(self.certificates))

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.certificates / "ca.crt")
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=patience(60), context=context)

    def send(
        self,
        path: str,
        body: Any,
        *,
        token: str | None = None,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return status and JSON of the answer."""
        connection = self.connect()
        headers = dict(headers or {}) | ({} if token is None else {"Authorization": f"Bearer {token}"})
        try:
            content = body if isinstance(body, bytes) or hasattr(body, "__next__") else json.dumps(body).encode()
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] == "application/json"
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@dataclass
class Job:
    """A TrainJob with a pod, whose token is for it."""

    cluster: Cluster
    server: StatusServer
    name: str
    pod: KubeObject
    token: str

    @property
    def path(self) -> str:
        return status_path(self.cluster.namespace, self.name)

    @property
    def status(self) -> KubeObject | None:
        found: KubeObject | None = (
            self.cluster.client.get(TRAINJOBS, self.name, namespace=self.cluster.namespace)
            .get("status", {})
            .get("trainerStatus")
        )
        return found

    def report(self, trainer_status: Any, **options: Any) -> tuple[int, Any]:
        return self.server.send(self.path, {"trainerStatus": trainer_status}, **{"token": self.token, **options})


@pytest.fixture
def server(webhooks: Webhooks) -> StatusServer:
    return StatusServer(webhooks.port, webhooks.certificates)


@pytest.fixture
def job(cluster: Cluster, server: StatusServer) -> Job:
    cluster.create("digits")
    pod = tokens.create_pod(cluster.client, cluster.namespace, "digits-node-0-0-abcde")
    token = tokens.request_token(cluster.client, pod, token_audience(cluster.namespace, "digits"))
    return Job(cluster, server, "digits", pod, token)


def failure(code: int, reason: str, message: str) -> tuple[int, KubeObject]:
    return code, {"metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code}


FORBIDDEN = failure(403, "Forbidden", "Forbidden")
INVALID = failure(422, "Invalid", "Invalid payload")
NOT_FOUND = failure(404, "NotFound", "Not found")


def test_pod_reports_the_progress_of_its_job(cluster: Cluster, start: Start, server: StatusServer, job: Job) -> None:
    process = start(*server.options)
    jobset = eventually(lambda: cluster.find(JOBSETS, "digits"))
    [pods] = jobset["spec"]["replicatedJobs"]
    pod = pods["template"]["spec"]["template"]["spec"]
    url = {variable["name"]: variable.get("value") for variable in pod["containers"][0]["env"]}[
        "KUBEFLOW_TRAINER_SERVER_URL"
    ]
    assert url == f"https://kubeflow-trainer-controller-manager.kubeflow-system.svc:{server.port}{job.path}"
    [volume] = (volume for volume in pod["volumes"] if volume["name"] == "kubeflow-trainer-token")
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == token_audience(
        cluster.namespace, "digits"
    )
    authority = cluster.find(CONFIGMAPS, "digits-tls-config")
    assert authority
    assert authority["data"] == {"ca.crt": (server.certificates / "ca.crt").read_text()}

    assert job.report(PROGRESS) == (200, {"trainerStatus": PROGRESS})
    assert job.status == PROGRESS
    assert job.report({**TIME, "progressPercentage": 50}) == (
        200,
        {"trainerStatus": {**TIME, "progressPercentage": 50}},
    )
    assert job.status == {**TIME, "progressPercentage": 50}, "what is left out is removed"
    cluster.client.patch(
        TRAINJOBS, "digits", {"status": {"conditions": []}}, namespace=cluster.namespace, subresource="status"
    )
    assert job.status == {**TIME, "progressPercentage": 50}
    assert process.stop() == 0
    assert job.token not in process.log.read_text()


def test_tokens_of_others_are_refused(cluster: Cluster, start: Start, server: StatusServer, job: Job) -> None:
    process = start(*server.options, "--reconcilers", "none")
    client, namespace = cluster.client, cluster.namespace
    cluster.create("other")
    neighbour = f"{namespace}-b"
    client.create(NAMESPACES, {"metadata": {"name": neighbour}})
    pod_of_neighbour = tokens.create_pod(client, neighbour, "intruder")
    key, foreign = tokens.signing_key(cluster.kubeconfig), ECKey.generate_key("P-256")
    own = token_audience(namespace, "digits")
    decoded = jwt.decode(job.token, key)
    claims, kid = decoded.claims, decoded.header["kid"]
    head, payload, signature = job.token.split(".")
    refused = {
        "another job of the namespace": tokens.request_token(client, job.pod, token_audience(namespace, "other")),
        "a pod of another namespace": tokens.request_token(client, pod_of_neighbour, own),
        "the API server's audience": tokens.request_token(client, job.pod, ""),
        "expired": tokens.sign_token(key, namespace, "digits", kid=kid, exp=claims["iat"] - 1),
        "no expiry": tokens.sign_token(key, namespace, "digits", kid=kid, exp=None),
        "not valid yet": tokens.sign_token(key, namespace, "digits", kid=kid, nbf=claims["iat"] + 1000),
        "another issuer": tokens.sign_token(key, namespace, "digits", kid=kid, iss="https://example.com"),
        "another key": tokens.sign_token(foreign, namespace, "digits", kid=kid),
        "an unknown key": tokens.sign_token(foreign, namespace, "digits"),
        "no pod": tokens.sign_token(key, namespace, "digits", kid=kid, **{"kubernetes.io": None}),
        "a shared secret": jwt.encode({"alg": "HS256", "kid": kid}, claims, OctKey.generate_key()),
        "no signature": f"{head}.{payload}.",
        "another signature": f"{head}.{payload}.{signature[:-8]}AAAAAAAA",
        "garbage": "garbage",
        "empty": "",
    }
    answers = {reason: job.report(PROGRESS, token=token) for reason, token in refused.items()}
    assert answers == dict.fromkeys(refused, FORBIDDEN)
    headers = ["", "Bearer", job.token, f"Basic {job.token}", f"Bearer {job.token} {job.token}"]
    assert [job.report(PROGRESS, token=None, headers={"Authorization": header}) for header in headers] == [
        FORBIDDEN
    ] * len(headers)
    assert job.report(PROGRESS, token=None) == FORBIDDEN
    assert job.status is None
    control = tokens.sign_token(key, namespace, "digits", kid=kid)
    assert job.report(PROGRESS, token=control)[0] == 200
    assert job.report(PROGRESS, token=None, headers={"Authorization": f"bearer \t{job.token} "})[0] == 200
    process.stop()
    log = process.log.read_text()
    assert not [reason for reason, token in refused.items() if len(token) > 10 and token in log]


def test_bodies_are_read_as_upstream(cluster: Cluster, start: Start, server: StatusServer, job: Job) -> None:
    start(*server.options, "--reconcilers", "none")

    def send(body: Any) -> tuple[int, Any]:
        return server.send(job.path, body, token=job.token)

    assert send({"trainerStatus": {**TIME, "colour": "red"}, "spec": {"suspend": True}})[0] == 200
    assert job.status == TIME, "unknown fields are ignored"
    for empty in ({}, {"trainerStatus": None}, None):
        assert send(empty) == (200, {})
    assert job.status == TIME, "nothing is written without a trainerStatus"
    wrong: list[Any] = [
        b"",
        b"{",
        b"not json",
        [],
        "text",
        {"trainerStatus": []},
        {"trainerStatus": {**TIME, "progressPercentage": "42"}},
        {"trainerStatus": {**TIME, "progressPercentage": 4.5}},
        {"trainerStatus": {**TIME, "progressPercentage": 1 << 40}},
        {"trainerStatus": {**TIME, "metrics": [{"name": "loss", "value": 1}]}},
        {"trainerStatus": {"lastUpdatedTime": "yesterday"}},
        b"[" * 60_000,
    ]
    assert [send(body) for body in wrong] == [INVALID] * len(wrong)
    for refused, reason in (
        ({**TIME, "progressPercentage": 101}, "progressPercentage"),
        ({"progressPercentage": 1}, "lastUpdatedTime"),
        ({**TIME, "metrics": [{"name": "loss"}]}, "value"),
        ({**TIME, "metrics": [{"name": "m", "value": "1"}] * 257}, "metrics"),
    ):
        code, status = job.report(refused)
        assert (code, status["reason"]) == (422, "Invalid")
        assert reason in status["message"]
    assert job.status == TIME


def test_large_bodies_are_refused_before_they_are_read(start: Start, server: StatusServer, job: Job) -> None:
    start(*server.options, "--reconcilers", "none")
    too_large = failure(413, "RequestEntityTooLarge", "Payload too large")
    for size in (1 << 16) + 1, 1 << 20:
        for token in (job.token, None):
            assert server.send(job.path, b" " * size, token=token) == too_large
    assert server.send("/elsewhere", b" " * (1 << 17)) == too_large
    with pytest.raises(OSError, match=r"EOF|reset|Broken pipe"):
        server.send(job.path, b" " * (64 << 20), token=job.token)
    padded = json.dumps({"trainerStatus": TIME}).encode().ljust(1 << 16)
    assert server.send(job.path, padded, token=job.token)[0] == 200
    assert server.send(job.path, iter([b'{"a": "', b"a" * (1 << 16), b'"}']), token=job.token) == INVALID, (
        "cut at the limit"
    )


def test_other_paths_are_not_found(cluster: Cluster, start: Start, server: StatusServer, job: Job) -> None:
    start(*server.options, "--reconcilers", "none")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert server.send(job.path, b"", token=job.token, method=method) == NOT_FOUND
    for path in ("/", "/healthz", job.path + "/", job.path.replace("trainjobs", "jobsets")):
        assert server.send(path, {"trainerStatus": PROGRESS}, token=job.token) == NOT_FOUND
    missing = failure(404, "NotFound", "Train job not found")

    def report_to(name: str, quoted: str) -> tuple[int, Any]:
        token = tokens.request_token(cluster.client, job.pod, token_audience(cluster.namespace, name))
        return server.send(status_path(cluster.namespace, quoted), {"trainerStatus": PROGRESS}, token=token)

    assert report_to("missing", "missing") == missing
    # An audience is any text that a user asks for.
    elsewhere = "x/../../../../namespaces/default/trainjobs/digits"
    assert report_to(elsewhere, elsewhere.replace("/", "%2F")) == missing
    assert report_to("..", "%2E%2E") == missing
    assert job.status is None


def test_unreachable_api_server_is_a_500(
    cluster: Cluster, start: Start, server: StatusServer, job: Job, tmp_path: Path
) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    port = int(config["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    with proxy_to(port) as proxy:
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        process = start(*server.options, "--reconcilers", "none", kubeconfig=kubeconfig)
        internal_error = failure(500, "InternalError", "Internal error")
        proxy.refuse()
        assert job.report(PROGRESS) == internal_error, "without keys no token can be verified"
        proxy.accept()
        assert job.report(PROGRESS)[0] == 200
        proxy.refuse()
        assert job.report(PROGRESS) == internal_error
        assert job.report(PROGRESS, token="garbage") == FORBIDDEN
        proxy.accept()
        assert job.report({**TIME, "progressPercentage": 7})[0] == 200
        assert job.status == {**TIME, "progressPercentage": 7}
        assert process.running


@pytest.mark.slow
def test_reports_beyond_the_rate_wait_or_are_refused(start: Start, server: StatusServer, job: Job) -> None:
    start(*server.options, "--reconcilers", "none")
    too_many = failure(429, "TooManyRequests", "Too many requests")
    with ThreadPoolExecutor(90) as threads:
        answers = list(threads.map(lambda _: job.report(TIME), range(90)))
    written = answers.count((200, {"trainerStatus": TIME}))
    assert written + answers.count(too_many) == 90
    assert 55 <= written <= 75, "10 at once, and 5 a second for 10 s"
    assert job.report(PROGRESS, token="garbage") == FORBIDDEN


def test_connections_are_limited(start: Start, server: StatusServer, job: Job) -> None:
    start(*server.options, "--reconcilers", "none")
    assert job.report(TIME)[0] == 200
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=patience(60)))
        with pytest.raises(OSError, match=r"EOF|reset"):
            job.report(TIME)
        # Connections without a request end after 10 s.
        assert eventually(lambda: _answers(job))


def _answers(job: Job) -> bool:
    try:
        return job.report(TIME)[0] == 200
    except OSError:
        return False


def test_documented_program_reports(start: Start, server: StatusServer, job: Job, tmp_path: Path) -> None:
    start(*server.options, "--reconcilers", "none")
    page = (ROOT / "docs" / "how-to" / "controller.md").read_text().partition("## Progress of jobs")[2]
    program = textwrap.dedent(page.partition("```python\n")[2].partition("```")[0])
    (tmp_path / "token").write_text(job.token)
    variables = {
        "KUBEFLOW_TRAINER_SERVER_URL": f"https://127.0.0.1:{server.port}{job.path}",
        "KUBEFLOW_TRAINER_SERVER_TOKEN": str(tmp_path / "token"),
        "KUBEFLOW_TRAINER_SERVER_CA_CERT": str(server.certificates / "ca.crt"),
    }
    subprocess.run([sys.executable, "-c", program], env=variables, check=True, timeout=patience(60))
    assert job.status
    assert job.status["progressPercentage"] == 40


def test_renewed_certificate_and_authority_are_used(
    cluster: Cluster, start: Start, server: StatusServer, job: Job, webhooks: Webhooks
) -> None:
    start(*server.options)
    assert job.report(PROGRESS)[0] == 200
    before = (server.certificates / "ca.crt").read_text()
    webhooks.renew()
    address = ("127.0.0.1", server.port)
    renewed = (server.certificates / "tls.crt").read_text()
    eventually(lambda: ssl.get_server_certificate(address) == renewed)
    assert job.report({**TIME, "progressPercentage": 8})[0] == 200
    cluster.create("second")
    created = eventually(lambda: cluster.find(CONFIGMAPS, "second-tls-config"))
    assert created["data"]["ca.crt"] not in ("", before)


def test_nothing_changes_without_the_gate(cluster: Cluster, start: Start, server: StatusServer) -> None:
    start("--feature-gates", "TrainJobStatus=false")
    cluster.create("digits")
    jobset = eventually(lambda: cluster.find(JOBSETS, "digits"))
    assert "KUBEFLOW_TRAINER_SERVER" not in json.dumps(jobset)
    assert cluster.find(CONFIGMAPS, "digits-tls-config") is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=patience(60))


def test_job_without_an_authority_is_not_built(cluster: Cluster, start: Start, server: StatusServer) -> None:
    start(*server.options)
    (server.certificates / "ca.crt").unlink()
    cluster.create("digits")
    cluster.create("marker")
    message = eventually(lambda: _warnings(cluster.client, cluster.namespace, "digits"))
    assert "ca.crt cannot be read" in message
    assert cluster.find(JOBSETS, "digits") is None


def _warnings(client: Client, namespace: str, name: str) -> str:
    events = client.list(EVENTS, namespace=namespace).items
    return "".join(str(event.get("message") or event.get("note")) for event in events if name in json.dumps(event))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--feature-gates", "Progress=true"), "unknown feature gate 'Progress'; the known gates are TrainJobStatus"),
        (("--feature-gates", "TrainJobStatus=maybe"), "write TrainJobStatus=true or TrainJobStatus=false, not"),
        (("--feature-gates", "TrainJobStatus"), "write TrainJobStatus=true or TrainJobStatus=false"),
        (("--feature-gates", "TrainJobStatus=true"), "needs --webhook-cert-dir"),
        (("--status-server-port", "0"), "a port is a number from 1 to 65535"),
    ],
)
def test_bad_options_are_refused(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jupyter_trainjob.cli.main", "controller", "--kubeconfig", "F", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=patience(60), cwd=tmp_path, check=False)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_authority_is_refused(start: Start, server: StatusServer) -> None:
    (server.certificates / "ca.crt").unlink()
    process = start(*server.options, wait=False)
    eventually(lambda: not process.running)
    assert "ca.crt cannot be read" in process.log.read_text()
