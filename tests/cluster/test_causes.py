"""Why jobs wait on a whole Kubernetes cluster, in words: its scheduler, kubelet and quotas say what is told.

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

from jupyter_trainjob.api import runtimes
from jupyter_trainjob.api.resources import NAMESPACES, TRAININGRUNTIMES, Object, Resource
from jupyter_trainjob.client import context
from jupyter_trainjob.client.handle import TrainJob
from jupyter_trainjob.client.options import Options
from jupyter_trainjob.client.submit import prepare_cell, send
from jupyter_trainjob.constants import STATE_DIR_ENV
from tests.embedded import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
pytestmark = [
    pytest.mark.whole_cluster,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
]
QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A namespace of its own with a runtime whose image is nowhere, and one whose nodes are labelled as none is."""
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    monkeypatch.setenv(STATE_DIR_ENV, str(tmp_path))
    context.forget()
    name = yaml.safe_load(Path(str(KUBECONFIG)).read_text())["current-context"]
    namespace = f"trainjob-{uuid.uuid4().hex[:8]}"
    client = context.connect(name).client
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    for title, changes in (("nowhere", {}), ("elsewhere", {"nodeSelector": {"example.com/disk": "none"}})):
        runtime = copy.deepcopy(next(one for one in runtimes.find() if one["metadata"]["name"] == "torch-distributed"))
        runtime["kind"] = TRAININGRUNTIMES.kind
        (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        spec: Object = job["template"]["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = "registry.invalid/team/none:1"
        spec.update(changes)
        runtime["metadata"]["name"] = title
        client.create(TRAININGRUNTIMES, runtime, namespace=namespace)
    yield {"context": name, "namespace": namespace}
    client.delete(NAMESPACES, namespace)
    context.forget()


def start(place: dict[str, Any], **options: Any) -> TrainJob:
    return send(prepare_cell("1", {}, filename="Cell [1]", options=Options(**place, **options)))


def test_an_image_that_is_nowhere_is_named(place: dict[str, Any]) -> None:
    job = start(place, runtime="nowhere")
    wait_for(lambda: "image 'registry.invalid/team/none:1' cannot be pulled: the node" in job.snapshot().reason)


def test_nodes_without_the_labels_of_the_runtime_are_told(place: dict[str, Any]) -> None:
    job = start(place, runtime="elsewhere")
    wait_for(lambda: "no node has the labels that the runtime asks for" in job.snapshot().reason)


def test_a_quota_that_is_used_up_is_told_with_its_numbers(place: dict[str, Any]) -> None:
    client = context.connect(place["context"]).client
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "100m"}}}
    client.create(QUOTAS, quota, namespace=place["namespace"])
    job = start(place, runtime="nowhere", cpus=1)
    wait_for(lambda: "the quota 'small' of the namespace is used up" in job.snapshot().reason)
    assert "requests.cpu=1" in job.snapshot().reason
