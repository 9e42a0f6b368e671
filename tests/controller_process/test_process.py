"""``jupyter trainjob controller`` against a real API server: start, leader election, webhooks, metrics, stop."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBS,
    JOBSETS,
    LEASES,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
)
from jupyter_trainjob.controller_process.main import LEASE
from jupyter_trainjob.kube.transport import Request
from tests.conformance.kube import control_plane
from tests.waiting import patience

from .conftest import Cluster, Start, Webhooks
from .controller import LEASE_NAMESPACE, eventually, registered_webhooks

pytestmark = pytest.mark.timeout(180)


def holder(cluster: Cluster) -> str | None:
    lease = cluster.find(LEASES, LEASE, LEASE_NAMESPACE)
    return None if lease is None else str(lease["spec"]["holderIdentity"])


def test_job_gets_its_jobset_and_a_stop_releases_the_lease(cluster: Cluster, start: Start) -> None:
    process = start()
    cluster.create("digits", trainer={"numNodes": 2})
    job = eventually(lambda: cluster.find(JOBS, "digits-node-0"))
    assert job["spec"]["completions"] == 2
    assert holder(cluster)
    assert process.stop() == 0
    assert holder(cluster) == ""
    records = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)


def test_jobsets_are_left_to_another_controller(cluster: Cluster, start: Start) -> None:
    start("--reconcilers", "trainjob")
    cluster.create("digits")
    eventually(lambda: cluster.find(JOBSETS, "digits"))
    cluster.create("marker")
    eventually(lambda: cluster.find(JOBSETS, "marker"))
    assert cluster.find(JOBS, "digits-node-0") is None


@pytest.mark.slow
def test_another_process_takes_over(cluster: Cluster, start: Start) -> None:
    first = start()
    leader = eventually(lambda: holder(cluster))
    second = start()
    cluster.create("before")
    eventually(lambda: cluster.find(JOBS, "before-node-0"))
    assert holder(cluster) == leader, "the second process must wait"
    first.kill()
    cluster.create("after")
    eventually(lambda: cluster.find(JOBS, "after-node-0"))
    assert holder(cluster) not in (leader, "")
    assert second.running
    third = start()
    leader = holder(cluster)
    second.stop()
    assert holder(cluster) != leader, "a process that stops releases the lease before it has ended"
    cluster.create("last")
    eventually(lambda: cluster.find(JOBS, "last-node-0"))
    assert third.running


def test_process_that_loses_its_lease_ends(cluster: Cluster, start: Start) -> None:
    process = start()
    eventually(lambda: holder(cluster))
    taken = {"spec": {"holderIdentity": "somebody else", "leaseDurationSeconds": 3600}}
    cluster.client.patch(LEASES, LEASE, taken, namespace=LEASE_NAMESPACE)
    eventually(lambda: not process.running)
    assert process.stop() == 1
    assert holder(cluster) == "somebody else"


def test_webhooks_refuse_and_default(cluster: Cluster, start: Start, webhooks: Webhooks) -> None:
    start(*webhooks.options, "--reconcilers", "none")
    reserved = {"env": [{"name": "PET_NNODES", "value": "7"}]}
    labels = {"template": {"metadata": {"labels": {"a": "b"}}}}
    jobset = {
        "metadata": {"name": "plain", "namespace": cluster.namespace},
        "spec": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": {"spec": {"containers": []}}}}}]},
    }
    with registered_webhooks(cluster.client, port=webhooks.port, ca=webhooks.ca):
        with pytest.raises(errors.Forbidden, match=r"validator\.trainjob\.trainer.*reserved envs.*PET_NNODES"):
            eventually(lambda: not cluster.create("reserved", trainer=reserved))
        with pytest.raises(errors.Forbidden, match="nowhere"):
            cluster.create("lost", runtimeRef={"name": "nowhere"})
        patches = [{"manager": "example.com/patch", "trainingRuntimeSpec": labels}]
        stored = cluster.create("patched", runtimePatches=patches)
        assert stored["spec"]["runtimePatches"][0]["time"]
        created = cluster.client.create(JOBSETS, jobset)
        assert created["spec"]["network"]["enableDNSHostnames"] is True


def test_webhook_warns_of_a_deprecated_runtime(cluster: Cluster, start: Start, webhooks: Webhooks) -> None:
    start(*webhooks.options, "--reconcilers", "none")
    template = {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "image"}]}}}}
    runtime = {
        "apiVersion": CLUSTERTRAININGRUNTIMES.api_version,
        "kind": CLUSTERTRAININGRUNTIMES.kind,
        "metadata": {"name": "old", "labels": {"trainer.kubeflow.org/support": "deprecated"}},
        "spec": {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}}},
    }
    job = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {"name": "digits"},
        "spec": {"runtimeRef": {"name": "old"}},
    }

    def warning(path: str, body: KubeObject) -> str:
        response = cluster.client.raw(Request("POST", path, {"dryRun": "All"}, json.dumps(body).encode()))
        return response.headers.get("warning", "")

    with registered_webhooks(cluster.client, port=webhooks.port, ca=webhooks.ca):
        created = eventually(lambda: warning(CLUSTERTRAININGRUNTIMES.path(), runtime))
        assert created.startswith(r'299 - "ClusterTrainingRuntime \"old\" is deprecated')
        cluster.client.create(CLUSTERTRAININGRUNTIMES, runtime)
        referenced = eventually(lambda: warning(TRAINJOBS.path(cluster.namespace), job))
        assert referenced.startswith(r'299 - "Referenced ClusterTrainingRuntime \"old\" is deprecated')


def test_runtime_exempt_from_validation_is_stored(cluster: Cluster, start: Start, webhooks: Webhooks) -> None:
    start(*webhooks.options, "--reconcilers", "none")
    template = {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"template": {"spec": {"containers": []}}},
    }
    replicas = {"name": "node", "replicas": 2, "template": template}
    runtime: KubeObject = {
        "metadata": {"generateName": "checked-", "namespace": cluster.namespace},
        "spec": {"template": {"spec": {"replicatedJobs": [replicas]}}},
    }
    with registered_webhooks(cluster.client, port=webhooks.port, ca=webhooks.ca):
        with pytest.raises(errors.Forbidden, match="always must be 1"):
            eventually(lambda: not cluster.client.create(TRAININGRUNTIMES, runtime))
        runtime["metadata"] |= {"labels": {"trainer.kubeflow.org/webhook-validation": "disabled"}}
        assert cluster.client.create(TRAININGRUNTIMES, runtime)


def test_renewed_certificate_is_used_without_a_restart(start: Start, webhooks: Webhooks) -> None:
    start(*webhooks.options, "--reconcilers", "none")
    address = ("127.0.0.1", webhooks.port)
    before = ssl.get_server_certificate(address)
    webhooks.renew()
    eventually(lambda: ssl.get_server_certificate(address) != before)
    assert ssl.get_server_certificate(address) == (webhooks.certificates / "tls.crt").read_text()


def test_health_and_metrics(cluster: Cluster, start: Start) -> None:
    [port] = control_plane.free_ports(1)
    start("--metrics-port", str(port))
    cluster.create("digits")
    eventually(lambda: cluster.find(JOBS, "digits-node-0"))

    def read(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=patience(60)) as answer:
            return str(answer.read().decode())

    assert read("/healthz") == read("/readyz") == "ok"
    metrics = read("/metrics")
    assert 'controller_runtime_reconcile_total{controller="trainjob",result="success"}' in metrics
    assert 'rest_client_requests_total{code="201",method="POST"}' in metrics
    assert f'leader_election_master_status{{name="{LEASE}"}} 1.0' in metrics
    assert 'workqueue_depth{name="jobset"}' in metrics


def test_request_that_is_no_review_is_a_400(start: Start, webhooks: Webhooks) -> None:
    start(*webhooks.options, "--reconcilers", "none")
    url = f"https://127.0.0.1:{webhooks.port}/validate-trainer-kubeflow-org-v1alpha1-trainjob"
    context = ssl._create_unverified_context()
    for body in (b"{", b"[]", b'{"request": {"uid": "1", "resource": {"group": "", "resource": "pods"}}}'):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=patience(60), context=context)
        with refused.value as answer:
            assert answer.code == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Name the cluster with --kubeconfig or --context"),
        (("--kubeconfig", "F", "--webhook-port", "1"), "need both --webhook-port and --webhook-cert-dir"),
        (("--kubeconfig", "F", "--reconcilers", "none"), "nothing to run"),
        (("--kubeconfig", "F", "--reconcilers", "job"), "write trainjob, jobset, trainjob,jobset or none"),
        (("--kubeconfig", "F"), "F"),
    ],
)
def test_bad_options_are_refused(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jupyter_trainjob.cli.main", "controller", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=patience(60), cwd=tmp_path, check=False)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_certificate_is_refused(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    process = start("--webhook-port", "0", "--webhook-cert-dir", str(tmp_path), wait=False)
    eventually(lambda: not process.running)
    assert "tls.crt and tls.key beside it cannot be used" in process.log.read_text()
    assert cluster.client.list(TRAINJOBS, namespace=cluster.namespace).items == []
