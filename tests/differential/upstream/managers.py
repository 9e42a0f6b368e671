"""Start the controllers of Kubeflow Trainer and JobSet against an API server, with webhooks on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.conformance.kube.build import Programs
from tests.waiting import patience

PROGRAMS: Final = Programs(
    Path(__file__).parent,
    {
        "trainer-manager": "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
        "jobset-manager": "sigs.k8s.io/jobset",
    },
)
START_TIMEOUT: Final = patience(60)
UNTHROTTLED: Final = {"qps": 1000, "burst": 2000}
"""Client limits that no test reaches."""
NAMESPACE: Final = "kubeflow-system"


@contextmanager
def run_trainer(
    kubeconfig: Path, folder: Path, *, port: int, limits: dict[str, int] | None = UNTHROTTLED
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Kubeflow Trainer's controller.

    Its webhooks have ``tls.crt`` and ``tls.key`` of `folder`, and listen on `port`. `limits` are those of its client;
    None leaves them at its defaults.
    """
    configuration: dict[str, Any] = {
        "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
        "certManagement": {"enable": False},
        "metrics": {"bindAddress": "127.0.0.1:0", "secureServing": False},
    }
    if limits is not None:
        configuration["clientConnection"] = limits
    with _run("trainer-manager", kubeconfig, folder, port=port, configuration=configuration) as process:
        yield process


@contextmanager
def run_jobset(kubeconfig: Path, folder: Path, *, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run JobSet's controller; arguments as of `run_trainer`."""
    configuration = {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "internalCertManagement": {"enable": False},
        "metrics": {"bindAddress": "0"},
        "clientConnection": UNTHROTTLED,
    }
    with _run("jobset-manager", kubeconfig, folder, port=port, configuration=configuration) as process:
        yield process


@contextmanager
def _run(
    program: str, kubeconfig: Path, folder: Path, *, port: int, configuration: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    # controller-runtime looks for certificates below TMPDIR.
    certificates = folder / "k8s-webhook-server" / "serving-certs"
    certificates.mkdir(parents=True)
    for name in ("tls.crt", "tls.key"):
        (certificates / name).write_bytes((folder / name).read_bytes())
    configuration |= {
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": "127.0.0.1:0"},
        "leaderElection": {"leaderElect": False},
        "webhook": {"host": "127.0.0.1", "port": port},
    }
    (folder / "manager.json").write_text(json.dumps(configuration))
    with (folder / "manager.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS.needed() / program, f"--kubeconfig={kubeconfig}", f"--config={folder / 'manager.json'}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(folder), "POD_NAMESPACE": NAMESPACE},
        )
    try:
        _wait_until_listening(process, port, folder / "manager.log")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=patience(60))


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=patience(60)):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the controller does not listen:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)
