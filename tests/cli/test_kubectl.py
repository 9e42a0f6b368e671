"""A real kubectl against the embedded cluster, with the kubeconfig that the command line prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_cluster import trainjob
from tests.conformance.kube import build
from tests.embedded import embedded_cluster
from tests.paths import ROOT
from tests.waiting import patience

JOB = ROOT / "tests" / "cluster" / "two-nodes.yaml"


@pytest.mark.journey
@pytest.mark.timeout(1200)  # The first time, kubectl is built.
def test_job_is_created_followed_and_deleted(tmp_path: Path) -> None:
    kubectl = build.KUBECTL.needed() / "kubectl"

    def run(*words: str) -> str:
        options = [f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path / 'cache'}"]
        done = subprocess.run(
            [kubectl, *options, *words], capture_output=True, text=True, timeout=patience(120), check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    with embedded_cluster(tmp_path / "state"):
        kubeconfig = trainjob("cluster", "kubeconfig").stdout.splitlines()[-1]
        assert "trainjob.trainer.kubeflow.org/clusters created" in run("create", f"--filename={JOB}")
        run("wait", "trainjob/clusters", "--for=condition=Complete", f"--timeout={patience(100):.0f}s")
        pods = run("get", "pods", "--output=name").split()
        assert len(pods) == 2
        assert "of 2 epoch 19 loss" in run("logs", pods[0])
        assert "clusters" in run("get", "trainjobs")
        run("delete", f"--filename={JOB}")
        assert run("get", "pods", "--output=name") == ""
