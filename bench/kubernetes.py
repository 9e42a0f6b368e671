"""A Kubernetes cluster for the benchmark of the controllers, without a controller of TrainJobs.

A real API server that records the requests of one user in its audit log; on request JobSet's controller, the Job
controller, the scheduler, and nodes of KWOK, on which pods run and end without a program.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import programs
from jupyter_trainjob.api.resources import NAMESPACES, NODES
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.conformance.kube import build, control_plane, crds
from tests.controller_process.controller import LEASE_NAMESPACE, write_certificate
from tests.differential.upstream import managers

NODE_COUNT: Final = 50
GPUS_PER_NODE: Final = 5
_USER: Final = "measured-controller"
_READS: Final = ("get", "list")
_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")
_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [_USER]}, {"level": "None"}],
}


@dataclass(frozen=True)
class Requests:
    """Requests of the measured controller to the API server, without those of its lease."""

    writes: int
    reads: int


@dataclass(frozen=True)
class Cluster:
    """A running API server."""

    folder: Path
    client: Client
    kubeconfig: Path
    """Of the measured controller."""

    @contextmanager
    def running_jobs(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run the controllers of JobSets and Jobs, the scheduler, and the nodes; yield their processes."""
        kubernetes, kwok = programs.KUBERNETES.ensure(), programs.KWOK.ensure()
        admin = f"--kubeconfig={self.folder / 'admin'}"
        limits = ("--leader-elect=false", "--secure-port=0", "--kube-api-qps=1000", "--kube-api-burst=2000")
        controllers = "--controllers=job-controller,garbage-collector-controller,node-lifecycle-controller"
        stages = [f"--config={file}" for file in programs.kwok_stages()]
        certificates = self.folder / "jobset"
        write_certificate(certificates)
        [port] = control_plane.free_ports(1)
        processes: list[subprocess.Popen[bytes]] = []
        with ExitStack() as running:
            for folder, name, arguments in (
                (kubernetes, "kube-controller-manager", (admin, *limits, controllers)),
                (kubernetes, "kube-scheduler", (admin, *limits)),
                (kwok, "kwok", (admin, *stages, "--manage-all-nodes=true", "--node-lease-duration-seconds=40")),
            ):
                processes.append(running.enter_context(control_plane.running(self.folder, folder, name, arguments)))
            processes.append(running.enter_context(managers.run_jobset(self.folder / "admin", certificates, port=port)))
            yield processes

    def requests(self) -> Requests:
        """Return the requests of the measured controller up to now."""
        counts: Counter[str] = Counter()
        for line in (self.folder / "audit.log").read_text().splitlines():
            event = json.loads(line)
            if (event.get("objectRef") or {}).get("resource") != "leases":
                counts[event["verb"]] += 1
        return Requests(sum(counts[verb] for verb in _WRITES), sum(counts[verb] for verb in _READS))


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run etcd and an API server with the custom resource definitions and the nodes' objects."""
    folder.mkdir()
    admin, measured = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    servers = control_plane.configure(folder, admin)
    with (folder / "tokens.csv").open("a") as tokens:
        tokens.write(f"{measured},{_USER},{_USER},system:masters\n")
    (folder / "policy.json").write_text(json.dumps(_POLICY))
    audit = (f"--audit-policy-file={folder}/policy.json", f"--audit-log-path={folder}/audit.log")
    binaries = build.KUBERNETES.ensure()
    with ExitStack() as running:
        running.enter_context(control_plane.running(folder, binaries, "etcd", servers.etcd))
        server = running.enter_context(
            control_plane.running(folder, binaries, "kube-apiserver", (*servers.api_server, *audit))
        )
        control_plane.wait_until_ready(servers.port, admin, server)
        for name, token in (("admin", admin), ("measured", measured)):
            (folder / name).write_text(json.dumps(control_plane.kubeconfig(folder, servers.port, token)))
        transport = kubeconfig_file.load_transport(kubeconfig=folder / "admin")
        crds.install(transport)
        client = Client(transport)
        client.create(NAMESPACES, {"metadata": {"name": LEASE_NAMESPACE}})
        size = {"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": str(GPUS_PER_NODE)}
        for number in range(NODE_COUNT):
            status = {"capacity": size, "allocatable": size}
            client.create(NODES, {"metadata": {"name": f"node-{number}"}, "status": status})
        yield Cluster(folder, client, folder / "measured")
