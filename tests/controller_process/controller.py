"""The controller as a process, and what it needs: a certificate, and webhooks that an API server calls."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import MUTATINGWEBHOOKCONFIGURATIONS, VALIDATINGWEBHOOKCONFIGURATIONS
from jupyter_trainjob.cluster.state import tls_credentials
from jupyter_trainjob.controller_process.webhook_configurations import webhook_configurations
from jupyter_trainjob.kube.client import Client
from tests.paths import ROOT
from tests.waiting import patience, wait_for

LEASE_NAMESPACE: Final = "kubeflow-system"


class Process:
    """A running ``jupyter trainjob controller``."""

    def __init__(self, kubeconfig: Path, log: Path, *options: str) -> None:
        command = [sys.executable, "-m", "jupyter_trainjob.cli.main", "controller", "--kubeconfig", kubeconfig]
        self.log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*map(str, command), *options], stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT
            )

    def wait_ready(self) -> None:
        """Wait for the line ``ready``, the first of standard output."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line == "ready\n", self.log.read_text()

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self._process.terminate()
        return self._process.wait(timeout=patience(60))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=patience(60))

    def close(self) -> None:
        """End the process, and close the pipe to it."""
        self._process.kill()
        self._process.communicate(timeout=patience(60))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None


def write_certificate(folder: Path) -> bytes:
    """Write ``tls.crt`` and ``tls.key`` for 127.0.0.1 and ``ca.crt``; return the last, their authority."""
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    credentials = tls_credentials.ensure_credentials(made)
    ca = credentials.ca.read_bytes()
    credentials.ca.replace(folder / "ca.crt")
    credentials.certificate.replace(folder / "tls.crt")
    credentials.key.replace(folder / "tls.key")
    return ca


@contextmanager
def registered_webhooks(
    client: Client, *, port: int, ca: bytes, trainer: bool = True, jobset: bool = True
) -> Iterator[None]:
    """Let an API server call the webhooks on a port of this computer."""
    kinds = {kind.kind: kind for kind in (MUTATINGWEBHOOKCONFIGURATIONS, VALIDATINGWEBHOOKCONFIGURATIONS)}
    configurations = webhook_configurations(url=f"https://127.0.0.1:{port}", ca=ca, trainer=trainer, jobset=jobset)
    for configuration in configurations:
        client.create(kinds[configuration["kind"]], configuration)
    yield
    for configuration in configurations:
        client.delete(kinds[configuration["kind"]], configuration["metadata"]["name"])


def eventually(condition: Callable[[], object]) -> Any:
    """Return the first truthy result of `condition`; a missing object or field counts as false."""
    return wait_for(condition, missing=(errors.NotFound, KeyError))
