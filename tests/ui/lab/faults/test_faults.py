"""Clusters that refuse, fail, are stopped and killed, in front of a page that lists their jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_trainjob.kube import config
from tests.conformance.kube import build, control_plane, crds
from tests.embedded import embedded_cluster, kill_daemon
from tests.ui import tools
from tests.ui.lab.faults.clusters import HOSTILE, kubeconfig, reader
from tests.ui.lab.page import Page
from tests.ui.lab.server import jupyter_server

HERE = Path(__file__).parent


@pytest.mark.timeout(900)  # The first time, the API server is built.
def test_what_cannot_be_used_is_told_and_hurts_nothing_else(tmp_path: Path) -> None:
    tools.chromium()
    with control_plane.share(tmp_path / "control-plane", build.needed()) as real, embedded_cluster(tmp_path / "state"):
        transport = config.transport(kubeconfig=real)
        crds.install(transport)
        token = reader(transport, "team")
        written = kubeconfig(tmp_path / "kubeconfig", real, token=token, namespace="team")
        with jupyter_server(tmp_path / "server", variables={"KUBECONFIG": str(written)}) as server:
            page = Page(HERE / "contexts.mjs", server, hostile=HOSTILE)
            try:
                page.sees("every context")
                kept = written.read_text()
                written.write_text("not: [a kubeconfig")
                page.go_on()
                page.sees("a broken kubeconfig")
                written.write_text(kept)
                page.passes()
            finally:
                page.end()


@pytest.mark.timeout(170)
def test_the_embedded_cluster_ends_and_comes_back(tmp_path: Path) -> None:
    tools.chromium()
    with embedded_cluster(tmp_path / "state") as state, jupyter_server(tmp_path / "server") as server:
        page = Page(HERE / "ends.mjs", server)
        try:
            page.sees("the job")
            kill_daemon(state)
            page.go_on()
            page.sees("the daemon killed")
            page.passes()
        finally:
            page.end()
