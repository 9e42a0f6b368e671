"""An API server of a test's own, which it may kill, start again, and make forget old revisions."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import NAMESPACES
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import control_plane
from tests.waiting import patience

from .controller import eventually

_TOKEN: Final = "administrator"


class RestartableCluster:
    """An API server and its etcd. `client` reaches it directly."""

    def __init__(self, folder: Path, programs: Path, servers: control_plane.Servers) -> None:
        self._folder = folder
        self._programs = programs
        self._servers = servers
        self._api_server = contextlib.ExitStack()
        self.client: Client
        self.port = servers.port

    def start(self) -> None:
        """Start the API server, and wait until it answers."""
        arguments = self._servers.api_server
        process = self._api_server.enter_context(
            control_plane.running(self._folder, self._programs, "kube-apiserver", arguments)
        )
        control_plane.wait_until_ready(self.port, _TOKEN, process)
        self.client = Client(kubeconfig_file.load_transport(kubeconfig=self.kubeconfig(self.port)))
        eventually(self._answers)

    def kill(self) -> None:
        """Kill the API server with SIGKILL. Its etcd goes on."""
        self._api_server.close()

    def compact(self) -> None:
        """Remove all revisions from etcd but the last, as an API server does every five minutes."""
        revision = self._etcd("kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd("kv/compaction", {"revision": revision, "physical": True})

    def kubeconfig(self, port: int) -> Path:
        """Return a kubeconfig that reaches the API server through a port of this computer."""
        path = self._folder / f"kubeconfig-{port}"
        path.write_text(json.dumps(control_plane.kubeconfig(self._folder, port, _TOKEN)))
        return path

    def _answers(self) -> bool:
        try:
            return bool(self.client.list(NAMESPACES).items)
        except errors.TrainJobError:
            return False

    def _etcd(self, path: str, body: Any) -> Any:
        url = f"http://127.0.0.1:{self._servers.etcd_port}/v3/{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode()), timeout=patience(60)
        ) as answer:
            return json.loads(answer.read())


@contextlib.contextmanager
def running_cluster(folder: Path, programs: Path) -> Iterator[RestartableCluster]:
    """Yield a cluster that runs."""
    folder.mkdir()
    servers = control_plane.configure(folder, _TOKEN)
    with control_plane.running(folder, programs, "etcd", servers.etcd) as etcd:
        cluster = RestartableCluster(folder, programs, servers)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()
            _end(etcd)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=patience(60))
