"""``jupyter trainjob doctor``: check this computer and the clusters. Exit status 1 if there is a problem."""

from __future__ import annotations

import argparse

from jupyter_trainjob.cli import output
from jupyter_trainjob.cli.parsers import Commands, with_output


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add("doctor", _doctor, "Check this computer and the clusters, and report problems.")
    parser.add_argument(
        "--context", metavar="C", help="check only this context (default: all contexts of your kubeconfig)"
    )
    with_output(parser)


def _doctor(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client.doctor.examination import examine
    from jupyter_trainjob.client.doctor.finding import PROBLEM
    from jupyter_trainjob.rendering import tables

    checks = examine(context=chosen.context)
    output.print_values(chosen.output, output.to_values(checks), table=lambda: tables.checks(checks))
    return 1 if any(check.verdict == PROBLEM for check in checks) else 0
