"""The servers of the suite: each test runs against the embedded one, in process and over HTTPS, and a real one.

The embedded one is made once per test process. The real one is shared by all of them, and built before the first test
runs, since that takes minutes: see ``kube/``.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import NAMESPACES, TRAINJOBS
from jupyter_trainjob.cluster.apiserver.https_server import HttpsServer
from jupyter_trainjob.cluster.apiserver.request_handler import ApiServer
from jupyter_trainjob.cluster.state import tls_credentials
from jupyter_trainjob.cluster.store.object_store import Store
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Transport
from tests.waiting import patience

from . import pair
from .kube import build, control_plane, crds
from .logs import TwoLines
from .pair import Pair
from .server import Server, trainjob

KUBECTL_TIMEOUT = patience(60)


@dataclass(frozen=True)
class _Running:
    """A running server without a namespace for a test."""

    transport: Transport
    kubeconfig: Path | None
    forget: Callable[[], str]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the real server before the first test, because the build exceeds the time limit of a test."""
    fixtures = {"both", "programs"}
    if any("kubernetes" in _parameters(item) or fixtures & set(_fixtures(item)) for item in session.items):
        build.KUBERNETES.ensure_before_tests(session)


def _parameters(item: pytest.Item) -> list[object]:
    call = getattr(item, "callspec", None)
    return list(call.params.values()) if call else []


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def programs() -> Path:
    return build.KUBERNETES.needed()


@pytest.fixture(scope="session")
def _kubernetes(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Running]:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with control_plane.share(folder / "control-plane", programs) as kubeconfig:
        transport = kubeconfig_file.load_transport(kubeconfig=kubeconfig)
        crds.install(transport)
        yield _Running(transport, kubeconfig, forget=lambda: "1")  # older than what its cache of this kind began with


@pytest.fixture(scope="session")
def _core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Running]:
    store = Store(tmp_path_factory.mktemp("embedded") / "store.sqlite")
    core = ApiServer(store, logs=TwoLines(), version="0.0.0")

    def forget() -> str:
        client = Client(core)
        old, _, newest = (
            client.create(TRAINJOBS, trainjob(f"forgotten-{secrets.token_hex(4)}"), namespace="default")
            for _ in range(3)
        )
        store.compact(upto=int(newest["metadata"]["resourceVersion"]))
        return str(old["metadata"]["resourceVersion"])

    yield _Running(core, None, forget)
    store.close()


@pytest.fixture(scope="session")
def _https(_core: _Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Running]:
    assert isinstance(_core.transport, ApiServer)
    folder = tmp_path_factory.mktemp("https")
    files = tls_credentials.ensure_credentials(folder)
    front = HttpsServer(_core.transport, certificate=files.certificate, key=files.key, token=files.token)
    thread = threading.Thread(target=front.run, name="https")
    thread.start()
    kubeconfig = folder / "kubeconfig"
    tls_credentials.write_private(kubeconfig, tls_credentials.render_kubeconfig(files, port=front.port))
    yield _Running(kubeconfig_file.load_transport(kubeconfig=kubeconfig), kubeconfig, _core.forget)
    front.stop()
    thread.join()


@pytest.fixture(params=["embedded-inprocess", "embedded-http", "kubernetes"])
def server(request: pytest.FixtureRequest) -> Server:
    """Return each server in turn, with a namespace of its own."""
    fixtures = {"embedded-inprocess": "_core", "embedded-http": "_https", "kubernetes": "_kubernetes"}
    running: _Running = request.getfixturevalue(fixtures[request.param])
    namespace = f"test-{secrets.token_hex(4)}"
    Client(running.transport).create(NAMESPACES, {"metadata": {"name": namespace}})
    return Server(request.param, running.transport, namespace, running.kubeconfig, running.forget)


@pytest.fixture
def both(_core: _Running, _kubernetes: _Running) -> Pair:
    """Return the embedded server and a real one, with a namespace of the same name."""
    return pair.create_pair(_core.transport, _kubernetes.transport)


Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl(server: Server, programs: Path, tmp_path: Path) -> Kubectl:
    """Return a real kubectl that talks to the server, in the test's namespace."""
    assert server.kubeconfig, "kubectl needs a socket: choose servers that have one"

    def run(*arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        options = [f"--kubeconfig={server.kubeconfig}", f"--cache-dir={tmp_path}", f"--namespace={server.namespace}"]
        done = subprocess.run(
            [programs / "kubectl", *options, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_TIMEOUT,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    return run
