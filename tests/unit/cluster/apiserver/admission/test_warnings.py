"""The embedded API server warns of deprecated runtimes, as a real one with Kubeflow Trainer's webhooks does."""

from __future__ import annotations

import json

from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube.transport import Request

MERGE = "application/merge-patch+json"


def test_writes_of_a_trainjob_of_a_deprecated_runtime_have_a_warning(store: Store) -> None:
    server = ApiServer(store, version="0.0.0", check_runtimes=True)

    def warning(method: str, path: str, body: KubeObject, content_type: str = "application/json") -> str:
        response = server.send(Request(method, path, {}, json.dumps(body).encode(), content_type))
        assert response.status in (200, 201), response.read()
        return response.headers.get("warning", "")

    template = {"spec": {"containers": [{"name": "node", "image": "image"}]}}
    job = {"name": "node", "template": {"spec": {"template": template}}}
    labels = {"trainer.kubeflow.org/support": "deprecated"}
    runtime = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": CLUSTERTRAININGRUNTIMES.kind,
        "metadata": {"name": "old", "labels": labels},
        "spec": {"template": {"spec": {"replicatedJobs": [job]}}},
    }
    assert r'299 - "ClusterTrainingRuntime \"old\" is deprec' in warning(
        "POST", CLUSTERTRAININGRUNTIMES.path(), runtime
    )
    train_job = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": TRAINJOBS.kind,
        "metadata": {"name": "digits"},
        "spec": {"runtimeRef": {"name": "old"}},
    }
    expected = r'299 - "Referenced ClusterTrainingRuntime \"old\" is deprecated'
    path = TRAINJOBS.path("default", "digits")
    assert warning("POST", TRAINJOBS.path("default"), train_job).startswith(expected)
    assert warning("PATCH", path, {"spec": {"suspend": True}}, MERGE).startswith(expected)
    assert warning("PATCH", f"{path}/status", {"status": {"conditions": []}}, MERGE) == ""
