"""Reasons of waiting jobs on a Kubernetes cluster with its own scheduler, kubelet and quotas.

Needs ``TRAINJOB_TEST_KUBECONFIG`` and a node that runs pods. No image is pulled, so nothing trains.
"""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob.api.kinds import runtimes
from jupyter_trainjob.api.resources import NAMESPACES, TRAININGRUNTIMES, KubeObject, Resource
from jupyter_trainjob.client import context
from jupyter_trainjob.client.spec.options import job_options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.client.trainjob import TrainJob
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.waiting import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]
QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")


@pytest.fixture
def destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A namespace with a runtime of a missing image, and one with a node selector that no node matches."""
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    context.forget_connections()
    name = yaml.safe_load(Path(str(KUBECONFIG)).read_text())["current-context"]
    namespace = f"trainjob-{uuid.uuid4().hex[:8]}"
    client = context.connect(name).client
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    for title, changes in (("nowhere", {}), ("elsewhere", {"nodeSelector": {"example.com/disk": "none"}})):
        runtime = copy.deepcopy(
            next(one for one in runtimes.load_runtimes() if one["metadata"]["name"] == "torch-distributed")
        )
        runtime["kind"] = TRAININGRUNTIMES.kind
        (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        spec: KubeObject = job["template"]["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = "registry.invalid/team/none:1"
        spec.update(changes)
        runtime["metadata"]["name"] = title
        client.create(TRAININGRUNTIMES, runtime, namespace=namespace)
    yield {"context": name, "namespace": namespace}
    client.delete(NAMESPACES, namespace)
    context.forget_connections()


def start(destination: dict[str, Any], **options: Any) -> TrainJob:
    return send(prepare_cell("1", {}, filename="Cell [1]", options=job_options(**destination, **options)))


def test_missing_image_is_named(destination: dict[str, Any]) -> None:
    job = start(destination, runtime="nowhere")
    wait_for(lambda: "image 'registry.invalid/team/none:1' cannot be pulled: the node" in job.snapshot().reason)


def test_reason_names_an_unmatched_node_selector(destination: dict[str, Any]) -> None:
    job = start(destination, runtime="elsewhere")
    wait_for(lambda: "no node has the labels that the runtime asks for" in job.snapshot().reason)


def test_reason_names_the_exhausted_quota(destination: dict[str, Any]) -> None:
    client = context.connect(destination["context"]).client
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "100m"}}}
    client.create(QUOTAS, quota, namespace=destination["namespace"])
    job = start(destination, runtime="nowhere", cpus=1)
    wait_for(lambda: "the quota 'small' of the namespace is used up" in job.snapshot().reason)
    assert "requests.cpu=1" in job.snapshot().reason
