"""The controller through an API server's restart, its lost history, and connections that are cut or fall silent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, JOBS, JOBSETS, LEASES, NAMESPACES, TRAINJOBS
from jupyter_trainjob.controller.manager import Manager, build_controllers
from jupyter_trainjob.controller_process.main import LEASE
from jupyter_trainjob.kube import client as kube_client
from jupyter_trainjob.kube import informer, kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import build, crds
from tests.paths import ROOT

from .controller import LEASE_NAMESPACE, Process, eventually
from .restartable_cluster import RestartableCluster, running_cluster
from .tcp_proxy import TcpProxy, proxy_to

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableCluster]:
    folder = tmp_path_factory.mktemp("restartable") / "servers"
    with running_cluster(folder, build.KUBERNETES.needed()) as running:
        crds.install(kubeconfig_file.load_transport(kubeconfig=running.kubeconfig(running.port)))
        running.client.create(NAMESPACES, {"metadata": {"name": LEASE_NAMESPACE}})
        runtime = ROOT / "runtimes" / "torch-distributed.yaml"
        running.client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load(runtime.read_text()))
        yield running


@pytest.fixture
def proxy(cluster: RestartableCluster) -> Iterator[TcpProxy]:
    with proxy_to(cluster.port) as proxy:
        yield proxy


@pytest.fixture
def process(cluster: RestartableCluster, proxy: TcpProxy, tmp_path: Path) -> Iterator[Process]:
    process = Process(cluster.kubeconfig(proxy.port), tmp_path / "controller.log")
    process.wait_ready()
    yield process
    process.close()
    cluster.client.delete(LEASES, LEASE, namespace=LEASE_NAMESPACE)


def create(cluster: RestartableCluster, name: str, **spec: Any) -> None:
    spec.setdefault("runtimeRef", {"name": "torch-distributed"})
    cluster.client.create(TRAINJOBS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def has_job(cluster: RestartableCluster, name: str) -> bool:
    return cluster.client.find(JOBS, f"{name}-node-0", namespace="default") is not None


def is_expired(cluster: RestartableCluster, version: str) -> bool:
    try:
        watch = cluster.client.watch(TRAINJOBS, resource_version=version, timeout_seconds=1)
        with contextlib.closing(watch):
            list(watch)
    except errors.Expired:
        return True
    except errors.ApiError as starting:
        assert starting.code == 429  # noqa: PT017 - its storage is not ready
    return False


def test_jobs_are_reconciled_after_the_api_server_was_killed(cluster: RestartableCluster, process: Process) -> None:
    create(cluster, "before")
    eventually(lambda: has_job(cluster, "before"))
    cluster.kill()
    cluster.start()
    create(cluster, "after")
    eventually(lambda: has_job(cluster, "after"))
    assert process.running


def test_changes_are_seen_although_etcd_has_forgotten_them(
    cluster: RestartableCluster, process: Process, proxy: TcpProxy
) -> None:
    create(cluster, "deleted")
    create(cluster, "suspended", suspend=True)
    eventually(lambda: has_job(cluster, "deleted"))
    eventually(lambda: cluster.client.find(JOBSETS, "suspended", namespace="default"))
    version = cluster.client.list(TRAINJOBS).resource_version
    proxy.refuse()
    cluster.client.delete(TRAINJOBS, "deleted", namespace="default")
    cluster.client.patch(TRAINJOBS, "suspended", {"spec": {"suspend": False}}, namespace="default")
    create(cluster, "missed")
    cluster.kill()
    cluster.compact()
    cluster.start()
    eventually(lambda: is_expired(cluster, version))
    proxy.accept()
    eventually(lambda: has_job(cluster, "missed"))
    resumed = eventually(lambda: cluster.client.find(JOBSETS, "suspended", namespace="default"))
    eventually(lambda: has_job(cluster, "suspended"))
    assert resumed
    assert process.running


def test_cut_connections_are_made_again(cluster: RestartableCluster, process: Process, proxy: TcpProxy) -> None:
    for name in ("cut-a", "cut-b", "cut-c"):
        proxy.cut()
        create(cluster, name)
        eventually(partial(has_job, cluster, name))
    assert process.running


def test_silent_connections_do_not_cost_the_lease(
    cluster: RestartableCluster, process: Process, proxy: TcpProxy
) -> None:
    create(cluster, "first")
    eventually(lambda: has_job(cluster, "first"))

    def renewed() -> Any:
        return cluster.client.get(LEASES, LEASE, namespace=LEASE_NAMESPACE)["spec"]["renewTime"]

    assert proxy.silence()
    before = renewed()
    eventually(lambda: renewed() != before)
    before = renewed()
    eventually(lambda: renewed() != before)
    assert process.running


def test_silent_watch_ends_with_its_time(
    cluster: RestartableCluster, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer, "WATCH_SECONDS", 4)
    monkeypatch.setattr(kube_client, "WATCH_GRACE", 1.0)
    transport = kubeconfig_file.load_transport(kubeconfig=cluster.kubeconfig(proxy.port))
    manager = Manager(build_controllers(Client(transport, timeout=3)))
    manager.start()
    try:
        assert manager.wait_synced(20)
        create(cluster, "seen")
        eventually(lambda: has_job(cluster, "seen"))
        assert proxy.silence() >= 6, "a watch for each kind"
        create(cluster, "silent")
        eventually(lambda: has_job(cluster, "silent"))
    finally:
        manager.stop()
