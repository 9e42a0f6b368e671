"""Clusters that refuse, fail, stop or are killed while a page lists their jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_trainjob.kube import kubeconfig_file
from tests.conformance.kube import build, control_plane, crds
from tests.embedded import embedded_cluster, kill_daemon
from tests.ui import tools
from tests.ui.lab.faults.clusters import HOSTILE, kubeconfig, reader
from tests.ui.lab.page import Page
from tests.ui.lab.server import free_port, jupyter_server
from tests.waiting import patience

HERE = Path(__file__).parent


@pytest.mark.timeout(900)  # The first time, the API server is built.
def test_unusable_cluster_shows_its_error_and_does_not_affect_others(tmp_path: Path) -> None:
    tools.chromium()
    with (
        control_plane.share(tmp_path / "control-plane", build.KUBERNETES.needed()) as real,
        embedded_cluster(tmp_path / "state"),
    ):
        transport = kubeconfig_file.load_transport(kubeconfig=real)
        crds.install(transport)
        token = reader(transport, "team")
        written = kubeconfig(tmp_path / "kubeconfig", real, token=token, namespace="team")
        with jupyter_server(tmp_path / "server", variables={"KUBECONFIG": str(written)}) as server:
            page = Page(HERE / "contexts.mjs", server, hostile=HOSTILE)
            try:
                page.sees("every context")
                original = written.read_text()
                written.write_text("not: [a kubeconfig")
                page.go_on()
                page.sees("a broken kubeconfig")
                written.write_text(original)
                page.passes()
            finally:
                page.end()


@pytest.mark.timeout(170)
def test_embedded_cluster_stops_and_returns(tmp_path: Path) -> None:
    tools.chromium()
    with embedded_cluster(tmp_path / "state") as state, jupyter_server(tmp_path / "server") as server:
        page = Page(HERE / "connection-loss.mjs", server)
        try:
            page.sees("the job")
            kill_daemon(state)
            page.go_on()
            page.sees("the daemon killed")
            page.passes()
        finally:
            page.end()


@pytest.mark.timeout(170)
def test_form_sends_to_the_selected_cluster(tmp_path: Path) -> None:
    tools.chromium()
    written = tmp_path / "kubeconfig"
    unreachable = {"server": f"https://127.0.0.1:{free_port()}", "insecure-skip-tls-verify": True}
    context = {"name": "prod", "context": {"user": "ada", "cluster": "prod", "namespace": "ml"}}
    content = {
        "clusters": [{"name": "prod", "cluster": unreachable}],
        "users": [{"name": "ada", "user": {"token": "any"}}],
        "contexts": [context],
    }
    written.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "prod", **content}))
    with (
        embedded_cluster(tmp_path / "state"),
        jupyter_server(tmp_path / "server", variables={"KUBECONFIG": str(written)}) as server,
    ):
        tools.run(HERE / "destination.mjs", server.options(), timeout=patience(150))
