"""One TrainJob in YAML, unchanged, on the embedded cluster and on a Kubernetes cluster (`whole_cluster`).

``two-nodes.yaml`` names the image ``trainjob.local/torch:1``; ``TRAINJOB_TEST_IMAGE`` names the one to use instead.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import yaml

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    EVENTS,
    NAMESPACES,
    PODS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
)
from jupyter_trainjob.cluster.daemon import launcher
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.embedded import embedded_cluster
from tests.waiting import wait_for

KUBECONFIG = os.environ.get("TRAINJOB_TEST_KUBECONFIG")
NAMED_IMAGE = "trainjob.local/torch:1"
IMAGE = os.environ.get("TRAINJOB_TEST_IMAGE", NAMED_IMAGE)
TEXT = (Path(__file__).parent / "two-nodes.yaml").read_text()
RESOURCES = {each.kind: each for each in (CONFIGMAPS, TRAININGRUNTIMES, TRAINJOBS)}
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(
    params=[
        "embedded",
        pytest.param(
            "whole",
            marks=[
                pytest.mark.whole_cluster,
                pytest.mark.skipif(not KUBECONFIG, reason="TRAINJOB_TEST_KUBECONFIG names no cluster"),
            ],
        ),
    ]
)
def namespace_client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Client, str]]:
    """A client and a namespace, whose objects are deleted after the test."""
    namespace = f"trainjob-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        if request.param == "embedded":
            state = stack.enter_context(embedded_cluster(tmp_path))
            client = Client(
                kubeconfig_file.load_transport(kubeconfig=launcher.ensure_daemon(state), context=EMBEDDED_CONTEXT)
            )
        else:
            client = Client(kubeconfig_file.load_transport(kubeconfig=Path(str(KUBECONFIG))))
        client.create(NAMESPACES, {"metadata": {"name": namespace}})
        yield client, namespace
        client.delete(NAMESPACES, namespace)
        wait_for(lambda: client.find(NAMESPACES, namespace) is None)


def _log(client: Client, pod: KubeObject, container: str) -> str:
    metadata = pod["metadata"]
    lines = client.logs(metadata["name"], namespace=metadata["namespace"], container=container, timestamps=False)
    return "\n".join(line.decode() for line in lines)


def _was_told(client: Client, pod: KubeObject) -> bool:
    events = client.list(EVENTS, namespace=pod["metadata"]["namespace"]).items
    reasons = {one["reason"] for one in events if one["involvedObject"].get("uid") == pod["metadata"]["uid"]}
    return {"Scheduled", "Created", "Started"} <= reasons


def test_job_of_two_nodes_with_an_init_container_and_torchrun_completes(namespace_client: tuple[Client, str]) -> None:
    client, namespace = namespace_client
    for document in yaml.safe_load_all(TEXT.replace(NAMED_IMAGE, IMAGE)):
        client.create(RESOURCES[document["kind"]], document, namespace=namespace)

    def ended() -> bool:
        job = client.get(TRAINJOBS, "clusters", namespace=namespace)
        return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")

    wait_for(ended, limit=180)
    pods = client.list(PODS, namespace=namespace).items
    pods.sort(key=lambda pod: str(pod["metadata"]["name"]))
    logs = [(_log(client, pod, "prepare"), _log(client, pod, "node")) for pod in pods]
    assert conditions.is_true(client.get(TRAINJOBS, "clusters", namespace=namespace), "Complete"), logs
    assert len(pods) == 2
    for rank, (pod, (prepared, trained)) in enumerate(zip(pods, logs, strict=True)):
        assert "prepared 2000 points" in prepared
        assert "clusters.npz" in prepared
        assert f"rank {rank} of 2 epoch 19" in trained
        status = pod["status"]
        assert status["phase"] == "Succeeded"
        (init,), (main,) = status["initContainerStatuses"], status["containerStatuses"]
        assert init["state"]["terminated"]["reason"] == main["state"]["terminated"]["reason"] == "Completed"
        assert main["state"]["terminated"]["message"].startswith(f"node {rank}: accuracy ")
        wait_for(partial(_was_told, client, pod))  # Events are written after the status.
