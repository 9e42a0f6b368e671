"""Reconciles of a TrainJob whose cached state is older than the status that the controller wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, JOBSETS, TRAINJOBS, KubeObject
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.controller.event_recorder import EventRecorder
from jupyter_trainjob.controller.runtime_snapshot import RuntimeSnapshots
from jupyter_trainjob.controller.trainjob_reconciler import CACHE_DELAY, CONTROLLER, TrainJobReconciler
from jupyter_trainjob.kube.client import Client
from tests.paths import ROOT

NS = "default"


class Cache:
    """An informer whose objects a test sets."""

    def __init__(self, *objects: KubeObject) -> None:
        self.objects = {obj["metadata"]["name"]: obj for obj in objects}

    def get(self, name: str, _namespace: str | None = None) -> KubeObject | None:
        return self.objects.get(name)


def test_failed_job_is_not_built_again_from_an_older_cached_state(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    client = Client(ApiServer(store, version="0.0.0"))
    runtime = client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load((ROOT / "runtimes" / "plain.yaml").read_text()))
    job = {"metadata": {"name": "j", "namespace": NS}, "spec": {"runtimeRef": {"name": "plain"}}}
    train_jobs, jobsets = Cache(client.create(TRAINJOBS, job)), Cache()
    runtimes: Any = {CLUSTERTRAININGRUNTIMES.kind: Cache(runtime)}
    caches: Any = {"train_jobs": train_jobs, "jobsets": jobsets}
    reconciler = TrainJobReconciler(
        client,
        **caches,
        snapshots=RuntimeSnapshots(client, runtimes),
        recorder=EventRecorder(client, controller=CONTROLLER),
    )
    reconciler.reconcile(NS, "j")
    failed = {"type": "Failed", "status": "True", "reason": "FailedJobs", "message": "", "lastTransitionTime": None}
    failed["lastTransitionTime"] = client.get(JOBSETS, "j", namespace=NS)["metadata"]["creationTimestamp"]
    status = {"status": {"conditions": [failed]}}
    jobsets.objects["j"] = client.patch(JOBSETS, "j", status, namespace=NS, subresource="status")
    train_jobs.objects["j"] = before = client.get(TRAINJOBS, "j", namespace=NS)
    reconciler.reconcile(NS, "j")
    after = client.get(TRAINJOBS, "j", namespace=NS)
    assert [condition["type"] for condition in after["status"]["conditions"]] == ["Failed"]

    client.delete(JOBSETS, "j", namespace=NS)
    jobsets.objects.clear()
    for cached, delay in ((before, CACHE_DELAY), (after, None)):
        train_jobs.objects["j"] = cached
        assert reconciler.reconcile(NS, "j") == delay
        assert client.find(JOBSETS, "j", namespace=NS) is None
    store.close()
