"""Two real API servers: one with an upstream controller, one with ours, each with its controller's webhooks.

Nothing else runs: the tests write the status of the objects that the controllers wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import (
    CONFIGMAPS,
    JOBS,
    JOBSETS,
    NAMESPACES,
    PERSISTENTVOLUMECLAIMS,
    PODGROUPS,
    SECRETS,
    SERVICES,
    TRAINJOBS,
)
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import build, control_plane, crds
from tests.controller_process.controller import LEASE_NAMESPACE, Process, registered_webhooks, write_certificate

from .pair import Pair
from .upstream import managers


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the first test, since no test's time limit is that long."""
    if any(item.path.is_relative_to(Path(__file__).parent) for item in session.items):
        for programs in (build.KUBERNETES, managers.PROGRAMS):
            programs.ensure_before_tests(session)


@pytest.fixture(scope="module")
def trainer_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Kubeflow Trainer's controller and ours; JobSets are reconciled on neither side."""
    with ExitStack() as running:
        upstream, ours = (
            _start_side(running, tmp_path_factory.mktemp(name), run, reconciler="trainjob")
            for name, run in (("upstream", managers.run_trainer), ("ours", None))
        )
        yield Pair(upstream, ours, kinds=(TRAINJOBS, JOBSETS, SECRETS, CONFIGMAPS, PODGROUPS))


@pytest.fixture(scope="module")
def jobset_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """JobSet's controller and ours; Jobs are reconciled on neither side."""
    with ExitStack() as running:
        upstream, ours = (
            _start_side(running, tmp_path_factory.mktemp(name), run, reconciler="jobset")
            for name, run in (("upstream", managers.run_jobset), ("ours", None))
        )
        yield Pair(upstream, ours, kinds=(JOBSETS, JOBS, SERVICES, PERSISTENTVOLUMECLAIMS))


def _start_side(
    running: ExitStack, folder: Path, run: Callable[..., AbstractContextManager[object]] | None, *, reconciler: str
) -> Client:
    """Start an API server with the controller that `run` runs, or ours; return its client."""
    kubeconfig = running.enter_context(control_plane.share(folder / "kube", build.KUBERNETES.needed()))
    transport = kubeconfig_file.load_transport(kubeconfig=kubeconfig)
    crds.install(transport)
    client = Client(transport)
    client.create(NAMESPACES, {"metadata": {"name": LEASE_NAMESPACE}})
    ca = write_certificate(folder / "certificates")
    [port] = control_plane.free_ports(1)
    if run is not None:
        running.enter_context(run(kubeconfig, folder / "certificates", port=port))
    else:
        options = ("--webhook-port", str(port), "--webhook-cert-dir", str(folder / "certificates"))
        process = Process(kubeconfig, folder / "log", "--reconcilers", reconciler, *options)
        running.callback(process.close)
        process.wait_ready()
    kinds = {"trainer": reconciler == "trainjob", "jobset": reconciler == "jobset"}
    running.enter_context(registered_webhooks(client, port=port, ca=ca, **kinds))
    return client
