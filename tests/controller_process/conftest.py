"""A real API server for each test process, without other controllers: webhooks are registered for the whole server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    LEASES,
    NAMESPACES,
    TRAINJOBS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.controller_process.main import LEASE
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import build, control_plane, crds
from tests.paths import ROOT

from .controller import LEASE_NAMESPACE, Process, write_certificate


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the API server before the first test, since no test's time limit is that long."""
    if any(item.path.is_relative_to(Path(__file__).parent) for item in session.items):
        build.KUBERNETES.ensure_before_tests(session)


@dataclass
class Cluster:
    """A real API server with the CRDs, the runtimes, and a namespace for the test."""

    kubeconfig: Path
    client: Client
    namespace: str

    def create(self, name: str, **spec: Any) -> KubeObject:
        spec.setdefault("runtimeRef", {"name": "torch-distributed"})
        return self.client.create(TRAINJOBS, {"metadata": {"name": name, "namespace": self.namespace}, "spec": spec})

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        return self.client.find(resource, name, namespace=namespace or self.namespace)


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("control-plane")
    with control_plane.share(folder, build.KUBERNETES.needed()) as kubeconfig:
        transport = kubeconfig_file.load_transport(kubeconfig=kubeconfig)
        crds.install(transport)
        client = Client(transport)
        client.create(NAMESPACES, {"metadata": {"name": LEASE_NAMESPACE}})
        for path in (ROOT / "runtimes").glob("**/*.yaml"):
            client.create(CLUSTERTRAININGRUNTIMES, yaml.safe_load(path.read_text()))
        yield kubeconfig


@pytest.fixture
def cluster(_server: Path, request: pytest.FixtureRequest) -> Cluster:
    client = Client(kubeconfig_file.load_transport(kubeconfig=_server))
    namespace = f"test-{abs(hash(request.node.name)) % 10**8}"
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    return Cluster(_server, client, namespace)


Start = Callable[..., Process]


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a controller and waits until it is ready; all end with the test."""
    processes: list[Process] = []

    def start_process(*options: str, wait: bool = True, kubeconfig: Path = cluster.kubeconfig) -> Process:
        process = Process(kubeconfig, tmp_path / f"controller-{len(processes)}.log", *options)
        processes.append(process)
        if wait:
            process.wait_ready()
        return process

    yield start_process
    for process in processes:
        process.close()
    with contextlib.suppress(errors.NotFound):  # a killed process leaves it held
        cluster.client.delete(LEASES, LEASE, namespace=LEASE_NAMESPACE)


@dataclass
class Webhooks:
    """What a controller needs to serve webhooks, and the folder of its certificate."""

    options: tuple[str, ...]
    port: int
    certificates: Path
    ca: bytes

    def renew(self) -> None:
        """Replace certificate and key in the folder by new ones."""
        write_certificate(self.certificates)


@pytest.fixture
def webhooks(tmp_path: Path) -> Webhooks:
    folder = tmp_path / "certificates"
    ca = write_certificate(folder)
    [port] = control_plane.free_ports(1)
    return Webhooks(("--webhook-port", str(port), "--webhook-cert-dir", str(folder)), port, folder, ca)
