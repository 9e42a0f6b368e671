"""``jupyter trainjob install`` and ``uninstall``: definitions and runtimes of a Kubernetes cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_trainjob import errors
from jupyter_trainjob.cli.parsers import Commands

if TYPE_CHECKING:
    from jupyter_trainjob.kube.client import Client


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add(
        commands, "install", _install, "Put the definitions of TrainJobs, and the runtimes, into a Kubernetes cluster."
    )
    _add(commands, "uninstall", _uninstall, "Delete what `install` put into a Kubernetes cluster.")


def _add(commands: Commands, name: str, action: Callable[[argparse.Namespace], int], text: str) -> None:
    parser = commands.add(name, action, text)
    parser.add_argument("--kubeconfig", type=Path, metavar="F", help="kubeconfig file (default: kubectl's)")
    parser.add_argument("--context", metavar="C", help="context of the kubeconfig; required without --kubeconfig")
    parser.add_argument(
        "--crds-only",
        action="store_true",
        required=True,
        help="definitions and runtimes, without the controller; required, since the controller has no installer yet",
    )


def _install(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.controller_process import installation

    return _print_lines(installation.install(_client(chosen)))


def _uninstall(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.controller_process import installation

    return _print_lines(installation.uninstall(_client(chosen)))


def _print_lines(lines: Iterator[str]) -> int:
    for line in lines:
        print(line, flush=True)
    return 0


def _client(chosen: argparse.Namespace) -> Client:
    from jupyter_trainjob.kube import kubeconfig_file
    from jupyter_trainjob.kube.client import Client

    if chosen.kubeconfig is None and chosen.context is None:
        raise errors.UsageError("Name the cluster with --context or --kubeconfig. There is no default.")
    return Client(kubeconfig_file.load_transport(kubeconfig=chosen.kubeconfig, context=chosen.context))
