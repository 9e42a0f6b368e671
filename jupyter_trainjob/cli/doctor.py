"""``jupyter trainjob doctor``: says what is wrong with this computer and the clusters. Status 1: something is."""

from __future__ import annotations

import argparse

from jupyter_trainjob.cli import output
from jupyter_trainjob.cli.parsers import Commands, formed


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add("doctor", _doctor, "Look at this computer and the clusters, and say what is wrong.")
    parser.add_argument("--context", metavar="C", help="look at this context alone (default: all of your kubeconfig)")
    formed(parser)


def _doctor(chosen: argparse.Namespace) -> int:
    from jupyter_trainjob.client import doctor
    from jupyter_trainjob.widget import tables

    found = doctor.examine(context=chosen.context)
    output.show(chosen.output, output.records(found), table=lambda: tables.checks(found))
    return 1 if any(check.verdict == doctor.PROBLEM for check in found) else 0
