"""Run the controller for a Kubernetes cluster until SIGTERM, SIGINT or the loss of its lease.

The order of a start: servers, informers, ``ready`` on standard output, the lease, reconcilers. Webhooks answer and
caches fill in every replica; only the holder of the lease reconciles.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from jupyter_trainjob.constants import STATUS_SERVER_PORT, STATUS_SERVER_SERVICE
from jupyter_trainjob.controller.framework.phases import Plugin
from jupyter_trainjob.controller.manager import Manager, build_controllers
from jupyter_trainjob.controller.plugins.trainjob_status import TrainJobStatus
from jupyter_trainjob.controller_process import process_metrics, structured_logs
from jupyter_trainjob.controller_process.feature_gates import TRAINJOB_STATUS
from jupyter_trainjob.controller_process.http_servers import HttpServers
from jupyter_trainjob.controller_process.leader_election import LeaderElection
from jupyter_trainjob.controller_process.reloaded_certificate import read_authority
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Transport

_log = logging.getLogger(__name__)

LEASE: Final = "trainer.kubeflow.org"
"""Name of the lease. It is Kubeflow Trainer's, so that its controller and ours never run side by side."""

_STATUS_WRITE_SECONDS: Final = 10.0
"""Time limit of the status server's requests to the API server."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line sets."""

    kubeconfig: Path | None = None
    context: str | None = None
    lease_namespace: str = "kubeflow-system"
    reconcilers: frozenset[str] = frozenset({"trainjob", "jobset"})
    host: str = "127.0.0.1"
    """Address that webhooks, status server and metrics listen on."""
    webhook_port: int | None = None
    certificates: Path | None = None
    """Folder with ``tls.crt`` and ``tls.key`` of webhooks and status server, and for that ``ca.crt``."""
    metrics_port: int | None = None
    feature_gates: frozenset[str] = frozenset()
    """Names of the gates that are on."""
    status_server_port: int = STATUS_SERVER_PORT
    status_server_service: str = STATUS_SERVER_SERVICE
    """The Service, in the namespace of the lease, through which pods reach the status server."""

    @property
    def serves_status(self) -> bool:
        """Whether the status server runs."""
        return TRAINJOB_STATUS in self.feature_gates


def run(options: Options) -> int:
    """Run until a signal or the loss of the lease; return the exit status: 0, or 1 if the lease was lost.

    Raises `errors.UsageError` for a certificate that cannot be read, a port that is not free, or a kubeconfig that
    cannot be used.
    """
    structured_logs.configure()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    transport = kubeconfig_file.load_transport(kubeconfig=options.kubeconfig, context=options.context)
    counted_transport = process_metrics.CountedTransport(transport)
    client = Client(counted_transport)
    controllers = build_controllers(client, reconcilers=options.reconcilers, gated_plugins=_gated_plugins(options))
    for controller in controllers:
        process_metrics.observe(controller)
    manager = Manager(controllers)
    ready = Event()
    servers = _servers(options, client, ready)
    if options.serves_status:
        _add_status_server(servers, options, counted_transport)
    servers.start()
    election = LeaderElection(
        lambda timeout: Client(counted_transport, timeout=timeout),
        name=LEASE,
        namespace=options.lease_namespace,
        identity=f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}",
    )
    lost = False
    try:
        manager.start_informers()
        while not manager.wait_synced(1) and not stop.is_set():
            _log.info("waiting for the first lists")
        if not stop.is_set():
            ready.set()
            print("ready", flush=True)
            lost = _reconcile(manager, election, stop) if controllers else not stop.wait()
    finally:
        manager.stop()
        election.release()
        servers.stop()
    return 1 if lost else 0


def _reconcile(manager: Manager, election: LeaderElection, stop: Event) -> bool:
    """Reconcile while the lease is held; return whether it was lost."""
    if not election.acquire(stop):
        return False
    leader = process_metrics.LEADER.labels(LEASE)
    leader.set(1)
    manager.start_workers()
    try:
        return not election.hold(stop)
    finally:
        leader.set(0)


def _servers(options: Options, client: Client, ready: Event) -> HttpServers:
    servers = HttpServers()
    if options.webhook_port is not None and options.certificates is not None:
        servers.add_webhooks(
            host=options.host,
            port=options.webhook_port,
            certificates=options.certificates,
            find=lambda resource, name, namespace: client.find(resource, name, namespace=namespace),
        )
    if options.metrics_port is not None:
        servers.add_monitoring(host=options.host, port=options.metrics_port, is_ready=ready.is_set)
    return servers


def _gated_plugins(options: Options) -> tuple[Plugin, ...]:
    certificates = options.certificates
    if not options.serves_status or certificates is None:
        return ()
    read_authority(certificates)  # A mistake is reported now, not with the first job.
    host = f"{options.status_server_service}.{options.lease_namespace}.svc"
    url = f"https://{host}:{options.status_server_port}"
    return (TrainJobStatus(url=url, read_ca=lambda: read_authority(certificates)),)


def _add_status_server(servers: HttpServers, options: Options, transport: Transport) -> None:
    # Importing cryptography takes a tenth of a second.
    from jupyter_trainjob.controller_process.status_server import StatusService, new_http_server

    if options.certificates is not None:
        service = StatusService(Client(transport, timeout=_STATUS_WRITE_SECONDS))
        servers.add_tls(
            partial(new_http_server, service),
            host=options.host,
            port=options.status_server_port,
            certificates=options.certificates,
        )
