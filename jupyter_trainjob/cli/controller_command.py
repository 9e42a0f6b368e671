"""``jupyter trainjob controller``: reconcile the TrainJobs of a Kubernetes cluster in the foreground."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from jupyter_trainjob import errors
from jupyter_trainjob.cli.parsers import Commands
from jupyter_trainjob.constants import STATUS_SERVER_PORT, STATUS_SERVER_SERVICE

_HELP = (
    "Reconcile the TrainJobs of a Kubernetes cluster, in place of Kubeflow Trainer's controller. Prints `ready` "
    "when webhooks answer and caches are filled, logs JSON to standard error, and ends with SIGTERM."
)
_NO_RECONCILER = "none"


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add("controller", _run, _HELP)
    parser.add_argument("--kubeconfig", type=Path, metavar="F", help="kubeconfig file (default: kubectl's)")
    parser.add_argument("--context", metavar="C", help="context of the kubeconfig (default: its current one)")
    parser.add_argument(
        "--lease-namespace", metavar="NS", default="kubeflow-system", help="default: %(default)s, as Kubeflow Trainer's"
    )
    parser.add_argument(
        "--reconcilers",
        type=_reconcilers,
        default="trainjob,jobset",
        metavar="LIST",
        help="trainjob, jobset, both separated by a comma, or none for webhooks only (default: %(default)s)",
    )
    parser.add_argument(
        "--webhook-host",
        default="127.0.0.1",
        metavar="H",
        help="address of webhooks, status server and metrics (%(default)s)",
    )
    parser.add_argument("--webhook-port", type=int, metavar="P", help="port of the webhooks (default: none are served)")
    parser.add_argument(
        "--webhook-cert-dir",
        type=Path,
        metavar="D",
        help="folder of tls.crt and tls.key, for the status server also ca.crt; read again when renewed",
    )
    parser.add_argument(
        "--metrics-port", type=int, metavar="M", help="port of /metrics, /healthz and /readyz (default: not served)"
    )
    parser.add_argument(
        "--feature-gates",
        type=_feature_gates,
        default="",
        metavar="NAME=BOOL,…",
        help="features that are off by default, under Kubeflow Trainer's names: TrainJobStatus, the status server",
    )
    parser.add_argument(
        "--status-server-port",
        type=_port,
        default=STATUS_SERVER_PORT,
        metavar="P",
        help="port of the status server (%(default)s)",
    )
    parser.add_argument(
        "--status-server-service",
        default=STATUS_SERVER_SERVICE,
        metavar="S",
        help="Service in the lease's namespace through which pods reach the status server (%(default)s)",
    )


def _run(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.controller_process import main

    if chosen.kubeconfig is None and chosen.context is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise errors.UsageError("Name the cluster with --kubeconfig or --context: only a pod has a default.")
    if chosen.feature_gates and chosen.webhook_cert_dir is None:
        raise errors.UsageError("The status server needs --webhook-cert-dir, a folder of ca.crt, tls.crt and tls.key.")
    serves_tls = chosen.webhook_port is not None or bool(chosen.feature_gates)
    if serves_tls != (chosen.webhook_cert_dir is not None):
        raise errors.UsageError("Webhooks need both --webhook-port and --webhook-cert-dir.")
    if not chosen.reconcilers and not serves_tls:
        raise errors.UsageError("With --reconcilers none and without --webhook-port there is nothing to run.")
    return main.run(
        main.Options(
            kubeconfig=chosen.kubeconfig,
            context=chosen.context,
            lease_namespace=chosen.lease_namespace,
            reconcilers=chosen.reconcilers,
            host=chosen.webhook_host,
            webhook_port=chosen.webhook_port,
            certificates=chosen.webhook_cert_dir,
            metrics_port=chosen.metrics_port,
            feature_gates=chosen.feature_gates,
            status_server_port=chosen.status_server_port,
            status_server_service=chosen.status_server_service,
        )
    )


def _feature_gates(text: str) -> frozenset[str]:
    from jupyter_trainjob.controller_process.feature_gates import parse_feature_gates

    try:
        return parse_feature_gates(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port is a number from 1 to 65535")
    return int(text)


def _reconcilers(text: str) -> frozenset[str]:
    from jupyter_trainjob.controller.manager import RECONCILERS

    if text.strip() == _NO_RECONCILER:
        return frozenset()
    names = frozenset(name.strip() for name in text.split(","))
    if names - RECONCILERS:
        raise argparse.ArgumentTypeError(f"{text!r}: write trainjob, jobset, trainjob,jobset or {_NO_RECONCILER}")
    return names
