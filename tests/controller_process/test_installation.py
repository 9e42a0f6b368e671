"""``jupyter trainjob install --crds-only`` and ``uninstall --crds-only`` on a real API server that has neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    CUSTOMRESOURCEDEFINITIONS,
    JOBSETS,
    NAMESPACES,
    TRAINJOBS,
)
from jupyter_trainjob.api.schemas import crds
from jupyter_trainjob.cli import main
from jupyter_trainjob.constants import MANAGED_BY_LABEL
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import build, control_plane

from .controller import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

RUNTIMES = {
    "deepspeed-distributed",
    "jax-distributed",
    "mlx-distributed",
    "plain",
    "torch-distributed",
    "torch-distributed-with-cache",
    "torchtune-llama3.2-1b",
    "torchtune-llama3.2-3b",
    "torchtune-qwen2.5-1.5b",
    "xgboost-distributed",
}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    with control_plane.share(tmp_path / "kube", build.KUBERNETES.needed()) as kubeconfig:
        yield kubeconfig


def run(command: str, kubeconfig: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command with --crds-only; return its exit status, standard output and standard error."""
    status = main.main([command, "--crds-only", "--kubeconfig", str(kubeconfig)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def definitions(client: Client) -> list[str]:
    return [definition["metadata"]["name"] for definition in client.list(CUSTOMRESOURCEDEFINITIONS).items]


def names(client: Client) -> set[str]:
    return {runtime["metadata"]["name"] for runtime in client.list(CLUSTERTRAININGRUNTIMES).items}


def test_installation_is_repeatable_and_leaves_the_objects_of_others(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(kubeconfig_file.load_transport(kubeconfig=kubeconfig))
    client.create(CUSTOMRESOURCEDEFINITIONS, crds.load_crd(JOBSETS))

    status, out, err = run("install", kubeconfig, capsys)
    assert status == 0, err
    assert "created CustomResourceDefinition trainjobs.trainer.kubeflow.org" in out
    assert "left CustomResourceDefinition jobsets.jobset.x-k8s.io as it is" in out
    assert names(client) == RUNTIMES

    client.patch(CLUSTERTRAININGRUNTIMES, "plain", {"spec": {"mlPolicy": {"numNodes": 7}}})
    client.patch(CLUSTERTRAININGRUNTIMES, "torch-distributed", {"metadata": {"labels": {MANAGED_BY_LABEL: "an-admin"}}})
    status, out, err = run("install", kubeconfig, capsys)
    assert status == 0, err
    assert "updated ClusterTrainingRuntime plain" in out
    assert "left ClusterTrainingRuntime torch-distributed as it is" in out
    unchanged = [line for line in out.splitlines() if line.startswith("unchanged")]
    assert len(unchanged) == len(crds.RESOURCES) - 1 + len(RUNTIMES) - 2

    client.create(NAMESPACES, {"metadata": {"name": "team"}})
    client.create(TRAINJOBS, {"metadata": {"name": "a"}, "spec": {"runtimeRef": {"name": "plain"}}}, namespace="team")
    status, out, err = run("uninstall", kubeconfig, capsys)
    assert (status, out) == (1, "")
    assert "1 TrainJobs exist" in err
    assert "team/a" in err

    client.delete(TRAINJOBS, "a", namespace="team")
    assert run("uninstall", kubeconfig, capsys)[0] == 0
    eventually(lambda: definitions(client) == ["jobsets.jobset.x-k8s.io"])  # deleted with all objects, in a while
    assert run("uninstall", kubeconfig, capsys)[:2] == (0, "")


def test_cluster_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["install", "--crds-only"]) == 1
    assert "There is no default" in capsys.readouterr().err
